package main

import (
	"context"
	"crypto/subtle"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	supervisorPath = "/v1-k3s/"
	nodeHeader     = "K3s-Node-Name"
	passwordHeader = "K3s-Node-Password"
	addressHeader  = "K3s-Node-Ip"
	nodePrefix     = "system:node:"
	maxRequest     = 64 << 10
)

// clusterConfig is what a node has to know of its cluster.
type clusterConfig struct {
	ClusterCIDR    []string
	ServiceCIDR    []string
	ClusterDNS     []string
	ClusterDomain  string
	FlannelBackend string
	NoKubeProxy    bool
}

// supervisor answers what nodes ask a K3s server on the API server's own port: who may join, and the certificates.
type supervisor struct {
	folder     pki
	serverPass string
	nodePass   string
	cluster    clusterConfig
	client     kubernetes.Interface
	member     *etcdMember
}

// before puts the supervisor in front of the API server's own handler.
func (s *supervisor) before(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "pong") })
	mux.HandleFunc("GET /cacerts", s.file("server-ca.crt"))
	for name, serve := range map[string]http.HandlerFunc{
		"GET readyz":                 func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") },
		"GET config":                 func(w http.ResponseWriter, _ *http.Request) { answer(w, s.cluster, nil) },
		"GET apiservers":             s.apiServers,
		"GET client-ca.crt":          s.file("client-ca.crt"),
		"POST client-kubelet.crt":    s.clientKubelet,
		"POST serving-kubelet.crt":   s.servingKubelet,
		"POST client-kube-proxy.crt": s.clientKubeProxy,
	} {
		method, path, _ := strings.Cut(name, " ")
		mux.Handle(method+" "+supervisorPath+path, s.known(serve))
	}
	mux.Handle("GET "+bootstrapPath, s.server(s.bootstrap))
	mux.Handle("GET "+infoPath, s.server(s.members))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ping" || r.URL.Path == "/cacerts" || r.URL.Path == infoPath || strings.HasPrefix(r.URL.Path, supervisorPath) {
			mux.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// known lets only those through who have a token of the cluster, or a node's certificate.
func (s *supervisor) known(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.byPassword(r) || s.byToken(r) || s.byCertificate(r) {
			next.ServeHTTP(w, r)
			return
		}
		logf("error", "Failed to authenticate request from %s: invalid username/password combination", r.RemoteAddr)
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	})
}

// server lets only servers through, by the token that they alone have.
func (s *supervisor) server(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, _, _ := r.BasicAuth(); user == "server" && s.byPassword(r) {
			next(w, r)
			return
		}
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
	})
}

// bootstrap answers with the cluster's authorities, keys and all: a server that joins has none yet.
func (s *supervisor) bootstrap(w http.ResponseWriter, _ *http.Request) {
	files, err := s.folder.held()
	answer(w, files, err)
}

// members lists etcd's members.
func (s *supervisor) members(w http.ResponseWriter, r *http.Request) {
	if s.member == nil {
		http.NotFound(w, r)
		return
	}
	found, err := s.member.list(r.Context())
	answer(w, etcdMembers{found}, err)
}

func (s *supervisor) byPassword(r *http.Request) bool {
	user, password, given := r.BasicAuth()
	wanted := map[string]string{"server": s.serverPass, "node": s.nodePass}[user]
	return given && wanted != "" && subtle.ConstantTimeCompare([]byte(password), []byte(wanted)) == 1
}

// byToken knows the tokens of `k3s token create`, which are kubeadm's.
func (s *supervisor) byToken(r *http.Request) bool {
	written, given := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	parts := bootstrapForm.FindStringSubmatch(written)
	if !given || parts == nil {
		return false
	}
	name := bootstrapSecretPrefix + parts[1]
	secret, err := s.client.CoreV1().Secrets(systemNamespace).Get(r.Context(), name, metav1.GetOptions{})
	if err != nil || subtle.ConstantTimeCompare(secret.Data["token-secret"], []byte(parts[2])) != 1 {
		return false
	}
	end, err := time.Parse(time.RFC3339, string(secret.Data["expiration"]))
	return len(secret.Data["expiration"]) == 0 || (err == nil && time.Now().Before(end))
}

func (s *supervisor) byCertificate(r *http.Request) bool {
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return false
	}
	by, err := s.folder.authority("client-ca")
	if err != nil {
		return false
	}
	roots := x509.NewCertPool()
	roots.AddCert(by.certificate)
	shown := r.TLS.PeerCertificates[0]
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	_, err = shown.Verify(x509.VerifyOptions{Roots: roots, KeyUsages: usages})
	return err == nil && strings.HasPrefix(shown.Subject.CommonName, nodePrefix)
}

func (s *supervisor) clientKubelet(w http.ResponseWriter, r *http.Request) {
	node := r.Header.Get(nodeHeader)
	if s.owns(w, r, node) {
		s.sign(w, r, "client-ca", wish{user: nodePrefix + node, groups: []string{"system:nodes"}})
	}
}

func (s *supervisor) servingKubelet(w http.ResponseWriter, r *http.Request) {
	node := r.Header.Get(nodeHeader)
	names := append([]string{node, "localhost", "127.0.0.1"}, strings.Split(r.Header.Get(addressHeader), ",")...)
	if s.owns(w, r, node) {
		s.sign(w, r, "server-ca", wish{user: node, names: names})
	}
}

func (s *supervisor) clientKubeProxy(w http.ResponseWriter, r *http.Request) {
	s.sign(w, r, "client-ca", wish{user: "system:kube-proxy"})
}

// owns says whether the asking machine is the one that first joined by this name, and answers it when it is not.
func (s *supervisor) owns(w http.ResponseWriter, r *http.Request, node string) bool {
	err := checkNodePassword(r.Context(), s.client, node, r.Header.Get(passwordHeader))
	switch {
	case err == nil:
		return true
	case errors.Is(err, errPasswordRejected):
		logf("error", "Refusing node %s: %v", node, err)
		http.Error(w, err.Error(), http.StatusForbidden)
	case apierrors.IsInvalid(err), errors.Is(err, errPasswordMissing):
		http.Error(w, err.Error(), http.StatusBadRequest)
	default:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	}
	return false
}

func (s *supervisor) sign(w http.ResponseWriter, r *http.Request, authority string, what wish) {
	by, err := s.folder.authority(authority)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	request, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err == nil {
		request, err = by.sign(request, what)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, _ = w.Write(request)
}

// apiServers lists the API servers of the cluster ("address:port"), for the balancers of the nodes.
func (s *supervisor) apiServers(w http.ResponseWriter, r *http.Request) {
	found, err := listAPIServers(r.Context(), s.client)
	answer(w, found, err)
}

func listAPIServers(ctx context.Context, client kubernetes.Interface) ([]string, error) {
	slices, err := client.DiscoveryV1().EndpointSlices("default").List(ctx, metav1.ListOptions{
		LabelSelector: "kubernetes.io/service-name=kubernetes",
	})
	if err != nil {
		return nil, err
	}
	var found []string
	for _, slice := range slices.Items {
		for _, endpoint := range slice.Endpoints {
			for _, address := range endpoint.Addresses {
				for _, port := range slice.Ports {
					found = append(found, net.JoinHostPort(address, strconv.Itoa(int(*port.Port))))
				}
			}
		}
	}
	return found, nil
}

func (s *supervisor) file(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, s.folder.path(name)) }
}

func answer(w http.ResponseWriter, what any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what)
}
