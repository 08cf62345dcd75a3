package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

const requestTimeout = 10 * time.Second

// refusal is a server's "no", which asking again does not change.
type refusal struct{ reason string }

func (r *refusal) Error() string { return r.reason }

// joint is a node's tie to its cluster: what it was told, and the way to ask more.
type joint struct {
	server  string
	secret  token
	user    string
	folder  pki
	name    string
	address string
	client  *http.Client
	config  clusterConfig
}

// newJoint learns the cluster's authority, and checks it against the token's hash when that has one.
func newJoint(ctx context.Context, config *Config, server, secret string) (*joint, error) {
	parsed, err := parseToken(secret)
	if err != nil {
		return nil, &refusal{err.Error()}
	}
	address, err := nodeAddress(config)
	if err != nil {
		return nil, err
	}
	// Whatever user the token names, a node comes as "node", as K3s's agent does.
	found := &joint{server: server, secret: parsed, user: "node", folder: pki(config.path("agent")), name: nodeName(config), address: address}
	// Nothing is believed that comes this way, before the hash of what came is checked.
	found.client = clientThat(&tls.Config{InsecureSkipVerify: true}) //nolint:gosec
	ca, err := found.ask(ctx, http.MethodGet, "/cacerts", nil, nil)
	if err != nil {
		return nil, fmt.Errorf("failed to get CA certs: %w", err)
	}
	if hash := hashCA(ca); parsed.caHash != "" && parsed.caHash != hash {
		return nil, &refusal{fmt.Sprintf("token CA hash does not match the Cluster CA certificate hash: %s != %s", parsed.caHash, hash)}
	}
	if parsed.caHash == "" {
		logf("warning", "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. "+
			"Use the full token from the server's node-token file to enable Cluster CA validation.")
	}
	if err := found.folder.write(map[string][]byte{"server-ca.crt": ca}); err != nil {
		return nil, err
	}
	return found, found.trust(ca)
}

// trust has the node believe the cluster's authority alone. A node that has joined before shows its certificate too, which
// is enough: its join token may have ended.
func (j *joint) trust(ca []byte) error {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return errors.New("CA cert validation failed")
	}
	secured := &tls.Config{RootCAs: roots}
	pair, err := tls.LoadX509KeyPair(j.folder.path("client-kubelet.crt"), j.folder.path("client-kubelet.key"))
	if err == nil {
		secured.Certificates = []tls.Certificate{pair}
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	j.client = clientThat(secured)
	return nil
}

func clientThat(secured *tls.Config) *http.Client {
	return &http.Client{
		Timeout:   requestTimeout,
		Transport: &http.Transport{TLSClientConfig: secured, DisableKeepAlives: true},
	}
}

// fetch gets the cluster's configuration, and this node's certificates for its name and password.
func (j *joint) fetch(ctx context.Context, config *Config, password string) error {
	told, err := j.ask(ctx, http.MethodGet, supervisorPath+"config", nil, nil)
	if err != nil {
		return prefixed("failed to retrieve configuration from server", err)
	}
	if err := json.Unmarshal(told, &j.config); err != nil {
		return err
	}
	authority, err := j.ask(ctx, http.MethodGet, supervisorPath+"client-ca.crt", nil, nil)
	if err != nil {
		return err
	}
	if err := j.folder.write(map[string][]byte{"client-ca.crt": authority}); err != nil {
		return err
	}
	headers := map[string]string{nodeHeader: j.name, passwordHeader: password, addressHeader: j.address}
	for _, name := range []string{"serving-kubelet", "client-kubelet", "client-kube-proxy"} {
		if err := j.certificate(ctx, name, headers); err != nil {
			return prefixed(j.folder.path(name+".crt"), err)
		}
	}
	for name, certificate := range map[string]string{"kubelet": "client-kubelet", "kubeproxy": "client-kube-proxy"} {
		own := kubeconfig{j.server, j.folder.path("server-ca.crt"), j.folder.path(certificate), false}
		if err := own.write(config.path("agent", name+".kubeconfig"), 0o600); err != nil {
			return err
		}
	}
	ca, err := os.ReadFile(j.folder.path("server-ca.crt"))
	if err != nil {
		return err
	}
	return j.trust(ca)
}

// certificate makes a key, and has the server sign for it.
func (j *joint) certificate(ctx context.Context, name string, headers map[string]string) error {
	key, keyPEM, err := newKey()
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key.(*ecdsa.PrivateKey))
	if err != nil {
		return err
	}
	request := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	signed, err := j.ask(ctx, http.MethodPost, supervisorPath+name+".crt", request, headers)
	if err != nil {
		return err
	}
	return j.folder.write(map[string][]byte{name + ".key": keyPEM, name + ".crt": signed})
}

// ask asks the supervisor. A 401 or 403 is a refusal.
func (j *joint) ask(ctx context.Context, method, path string, body []byte, headers map[string]string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, j.server+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	if j.secret.id != "" {
		request.Header.Set("Authorization", "Bearer "+j.secret.id+"."+j.secret.secret)
	} else if strings.HasPrefix(path, supervisorPath) || path == infoPath {
		request.SetBasicAuth(j.user, j.secret.password)
	}
	response, err := j.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return nil, err
	case response.StatusCode == http.StatusForbidden:
		return nil, &refusal{strings.TrimSpace(string(content))}
	case response.StatusCode == http.StatusUnauthorized:
		return nil, &refusal{fmt.Sprintf("%s: %s", request.URL, response.Status)}
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s %s", request.URL, response.Status, strings.TrimSpace(string(content)))
	}
	return content, nil
}

func prefixed(what string, err error) error {
	var no *refusal
	if errors.As(err, &no) {
		return &refusal{what + ": " + no.reason}
	}
	return fmt.Errorf("%s: %w", what, err)
}
