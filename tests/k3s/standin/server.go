package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	netutils "k8s.io/utils/net"
)

const (
	authProxy        = "system:auth-proxy"
	controlPlaneRole = `{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":"true"}}}`
	pollInterval     = 100 * time.Millisecond
	// dnsIndex is the place of the cluster's DNS in the range of services, in K3s as elsewhere.
	dnsIndex = 10
)

// runServer starts a server, with the agent that it also is; it returns when all runs.
func runServer(ctx context.Context, config *Config) error {
	if config.String("server") != "" && config.String("datastore-endpoint") == "" {
		return notHere("a server that joins another one's etcd (server without datastore-endpoint)")
	}
	manager, err := newControllerManager()
	if err != nil {
		return err
	}
	address, err := nodeAddress(config)
	if err != nil {
		return err
	}
	if advertised := config.String("advertise-address"); advertised != "" {
		address = advertised
	}
	store, err := startDatastore(ctx, config)
	if err != nil {
		return err
	}
	etcd, err := datastoreClient(store)
	if err != nil {
		return err
	}
	password, err := serverPassword(config)
	if err != nil {
		return err
	}
	folder := pki(config.path("server", "tls"))
	if err := shareAuthorities(ctx, etcd, folder, password); err != nil {
		return err
	}
	_ = etcd.Close()
	front, err := newSupervisor(config, folder, password)
	if err != nil {
		return err
	}
	if err := prepareServer(config, folder, address, front); err != nil {
		return err
	}
	logf("info", "Running kube-apiserver")
	if err := startAPIServer(ctx, apiServerArguments(config, store, folder, address), front); err != nil {
		return err
	}
	if err := awaitAPIServer(ctx, front.client); err != nil {
		return err
	}
	logf("info", "Kube API server is now running")
	if !config.Bool("disable-controller-manager") {
		if err := manager.start(ctx, config, folder, store.LeaderElect); err != nil {
			return err
		}
	}
	if !config.Bool("disable-scheduler") {
		if err := startScheduler(ctx, config, store.LeaderElect); err != nil {
			return err
		}
	}
	if err := forgetPasswords(ctx, front.client); err != nil {
		return err
	}
	go deployManifests(ctx, config)
	if config.Bool("disable-agent") {
		return nil
	}
	ca, err := os.ReadFile(folder.path("server-ca.crt"))
	if err != nil {
		return err
	}
	if err := startAgent(ctx, config, localURL(config), secureToken(ca, "node:"+front.nodePass)); err != nil {
		return err
	}
	go markControlPlane(ctx, front.client, nodeName(config))
	return nil
}

// serverPassword is the secret of the cluster: the one that is given, the one from the last start, or a new one.
func serverPassword(config *Config) (string, error) {
	written, err := config.secret("token")
	if err != nil {
		return "", err
	}
	if written == "" {
		kept, err := os.ReadFile(config.path("server", "token"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
		written = strings.TrimSpace(string(kept))
	}
	if written == "" {
		return randomHex(16), nil
	}
	return passwordOf(written)
}

func newSupervisor(config *Config, folder pki, password string) (*supervisor, error) {
	node, err := config.secret("agent-token")
	if err != nil {
		return nil, err
	}
	if node == "" {
		node = password
	} else if node, err = passwordOf(node); err != nil {
		return nil, err
	}
	dns := config.List("cluster-dns")
	if len(dns) == 0 {
		address, err := serviceAddress(config, dnsIndex)
		if err != nil {
			return nil, err
		}
		dns = []string{address}
	}
	return &supervisor{
		folder:     folder,
		serverPass: password,
		nodePass:   node,
		cluster: clusterConfig{
			ClusterCIDR:    config.List("cluster-cidr"),
			ServiceCIDR:    config.List("service-cidr"),
			ClusterDNS:     dns,
			ClusterDomain:  config.String("cluster-domain"),
			FlannelBackend: config.String("flannel-backend"),
			NoKubeProxy:    config.Bool("disable-kube-proxy"),
		},
	}, nil
}

// prepareServer writes the certificates, kubeconfigs and token files of a server, and gives the supervisor its client.
func prepareServer(config *Config, folder pki, address string, front *supervisor) error {
	if err := issueCertificates(config, folder, address); err != nil {
		return err
	}
	server := localURL(config)
	for _, name := range []string{"controller", "scheduler"} {
		own := kubeconfig{server, folder.path("server-ca.crt"), folder.path("client-" + name), false}
		if err := own.write(config.path("server", "cred", name+".kubeconfig"), 0o600); err != nil {
			return err
		}
	}
	if err := writeAdminKubeconfig(config, folder, server); err != nil {
		return err
	}
	var err error
	if _, front.client, err = clientFor(config.String("write-kubeconfig")); err != nil {
		return err
	}
	return writeTokens(config, folder, front)
}

func issueCertificates(config *Config, folder pki, address string) error {
	service, err := serviceAddress(config, 1)
	if err != nil {
		return err
	}
	names := []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", "127.0.0.1"}
	names = append(names, "kubernetes.default.svc."+config.String("cluster-domain"), service, address, nodeName(config))
	names = append(names, config.List("node-ip")...)
	wishes := map[string]map[string]wish{
		"server-ca": {
			"serving-kube-apiserver": {user: "kube-apiserver", names: append(names, config.List("tls-san")...)},
		},
		"client-ca": {
			"client-admin":          {user: "system:admin", groups: []string{"system:masters"}},
			"client-kube-apiserver": {user: "system:apiserver", groups: []string{"system:masters"}},
			"client-controller":     {user: "system:kube-controller-manager"},
			"client-scheduler":      {user: "system:kube-scheduler"},
		},
		"request-header-ca": {"client-auth-proxy": {user: authProxy}},
	}
	for name, certificates := range wishes {
		by, err := folder.authority(name)
		if err != nil {
			return err
		}
		for certificate, what := range certificates {
			if err := folder.issue(by, certificate, what); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTokens writes server/token, and node-token beside it, from which a user takes the token for other nodes.
func writeTokens(config *Config, folder pki, front *supervisor) error {
	ca, err := os.ReadFile(folder.path("server-ca.crt"))
	if err != nil {
		return err
	}
	written := map[string]string{"token": secureToken(ca, "server:"+front.serverPass)}
	if front.nodePass != front.serverPass {
		written["agent-token"] = secureToken(ca, "node:"+front.nodePass)
	}
	for name, content := range written {
		if err := os.WriteFile(config.path("server", name), []byte(content+"\n"), 0o600); err != nil {
			return err
		}
	}
	link := config.path("server", "node-token")
	if err := os.RemoveAll(link); err != nil {
		return err
	}
	return os.Symlink(config.path("server", "token"), link)
}

func awaitAPIServer(ctx context.Context, client kubernetes.Interface) error {
	for {
		ready, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil && string(ready) == "ok" {
			return nil
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
}

// markControlPlane gives a server's Node its role, which a kubelet may not do itself.
func markControlPlane(ctx context.Context, client kubernetes.Interface, node string) {
	for {
		patch := []byte(controlPlaneRole)
		_, err := client.CoreV1().Nodes().Patch(ctx, node, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
		if err == nil {
			return
		}
		if !apierrors.IsNotFound(err) {
			logf("warning", "cannot label node %s: %v", node, err)
		}
		if pause(ctx, pollInterval) != nil {
			return
		}
	}
}

func serviceAddress(config *Config, index int) (string, error) {
	_, network, err := net.ParseCIDR(config.List("service-cidr")[0])
	if err != nil {
		return "", err
	}
	address, err := netutils.GetIndexedIP(network, index)
	return address.String(), err
}

func localURL(config *Config) string {
	return "https://127.0.0.1:" + config.String("https-listen-port")
}

// nodeName is the node's name: as configured, or the host's.
func nodeName(config *Config) string {
	name := config.String("node-name")
	if name == "" {
		name, _ = os.Hostname()
	}
	name = strings.ToLower(name)
	if config.Bool("with-node-id") {
		id, err := keptSecret(filepath.Join(nodeFolder, "id"), 4)
		if err != nil {
			fatal(err)
		}
		name += "-" + id
	}
	return name
}

// nodeAddress is the node's address for its cluster: as configured, or the one that it reaches others from.
func nodeAddress(config *Config) (string, error) {
	if address := config.String("node-ip"); address != "" {
		return address, nil
	}
	connection, err := net.Dial("udp", "192.0.2.1:9") // Sends nothing (RFC 5737: nobody's address).
	if err != nil {
		return "", err
	}
	defer func() { _ = connection.Close() }()
	host, _, err := net.SplitHostPort(connection.LocalAddr().String())
	return host, err
}

// pause waits, or says that the process is to end.
func pause(ctx context.Context, duration time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(duration):
		return nil
	}
}
