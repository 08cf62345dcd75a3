package main

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/k3s-io/kine/pkg/endpoint"
	kinetls "github.com/k3s-io/kine/pkg/tls"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
)

// The ports, times and files of K3s's embedded etcd. It is etcd itself, in this process, as in K3s.
const (
	etcdLocal    = "https://127.0.0.1:2379"
	etcdTick     = 500
	etcdElection = 5000
	etcdNameFile = "name"
	tombstone    = "tombstone"
)

// etcdMember is this server's own member of the cluster's etcd. One that is alone forgets all others when it starts.
type etcdMember struct {
	config  *Config
	folder  pki
	dir     string
	name    string
	address string
	client  *clientv3.Client
	running *embed.Etcd
	alone   bool
}

// usesEtcd says whether this server keeps the cluster's data in an etcd of its own.
func usesEtcd(config *Config) bool {
	if config.String("datastore-endpoint") != "" {
		return false
	}
	return config.Bool("cluster-init") || config.String("server") != "" || etcdBegun(config)
}

// etcdBegun says whether etcd has run here before. It goes on then, whatever the configuration says.
func etcdBegun(config *Config) bool {
	_, err := os.Stat(etcdPath(config, "member", "wal"))
	return err == nil
}

func etcdPath(config *Config, parts ...string) string {
	return config.path(append([]string{"server", "db", "etcd"}, parts...)...)
}

// newEtcdMember names this server's member; one that etcd has let go begins anew, with another name.
func newEtcdMember(config *Config, folder pki) (*etcdMember, error) {
	address, err := nodeAddress(config)
	if err != nil {
		return nil, err
	}
	made := &etcdMember{config: config, folder: folder, dir: etcdPath(config), address: address}
	if _, err := os.Stat(filepath.Join(made.dir, tombstone)); err == nil {
		logf("info", "tombstone file has been detected, removing data dir to rejoin the cluster")
		if err := os.RemoveAll(made.dir); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(made.dir, 0o700); err != nil {
		return nil, err
	}
	return made, made.takeName()
}

func (m *etcdMember) takeName() error {
	path := filepath.Join(m.dir, etcdNameFile)
	kept, err := os.ReadFile(path)
	if err == nil {
		m.name = string(kept)
		return nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	m.name = nodeName(m.config) + "-" + randomHex(4)
	return os.WriteFile(path, []byte(m.name), 0o600)
}

func (m *etcdMember) url(port string) string { return "https://" + net.JoinHostPort(m.address, port) }

// start runs the member; initial is the list of members that it is begun with, state "new" or "existing".
func (m *etcdMember) start(ctx context.Context, initial []string, state string) error {
	if err := m.issue(); err != nil {
		return err
	}
	settings, err := m.settings(initial, state)
	if err != nil {
		return err
	}
	if m.running, err = embed.StartEtcd(settings); err != nil {
		return err
	}
	ready := make(chan struct{})
	go m.watch(ctx, ready)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-m.running.Server.ReadyNotify():
		close(ready)
	}
	m.client, err = m.dial(etcdLocal)
	return err
}

func (m *etcdMember) settings(initial []string, state string) (*embed.Config, error) {
	made := embed.NewConfig()
	made.Name, made.Dir = m.name, m.dir
	made.TickMs, made.ElectionMs = etcdTick, etcdElection
	made.LogLevel, made.LogOutputs = "error", []string{"stderr"}
	made.InitialCluster, made.ClusterState = strings.Join(initial, ","), state
	made.ForceNewCluster = m.alone
	made.ClientTLSInfo = m.trust("server-client", "server-ca")
	made.PeerTLSInfo = m.trust("peer-server-client", "peer-ca")
	var err error
	for target, listed := range map[*[]url.URL][]string{
		&made.ListenClientUrls:     {etcdLocal, m.url("2379")},
		&made.ListenPeerUrls:       {"https://127.0.0.1:2380", m.url("2380")},
		&made.ListenMetricsUrls:    {"http://127.0.0.1:2381"},
		&made.ListenClientHttpUrls: {"https://127.0.0.1:2382"},
		&made.AdvertiseClientUrls:  {m.url("2379")},
		&made.AdvertisePeerUrls:    {m.url("2380")},
	} {
		if *target, err = urls(listed); err != nil {
			return nil, err
		}
	}
	return made, nil
}

func urls(listed []string) ([]url.URL, error) {
	var found []url.URL
	for _, one := range listed {
		parsed, err := url.Parse(one)
		if err != nil {
			return nil, err
		}
		found = append(found, *parsed)
	}
	return found, nil
}

func (m *etcdMember) trust(name, authority string) transport.TLSInfo {
	return transport.TLSInfo{
		CertFile:       m.folder.path("etcd/" + name + ".crt"),
		KeyFile:        m.folder.path("etcd/" + name + ".key"),
		TrustedCAFile:  m.folder.path("etcd/" + authority + ".crt"),
		ClientCertAuth: true,
	}
}

// issue writes the member's certificates, named as K3s names them.
func (m *etcdMember) issue() error {
	names := []string{"localhost", "127.0.0.1", m.address, nodeName(m.config)}
	for certificate, authority := range map[string]string{
		"server-client": "server-ca", "peer-server-client": "peer-ca", "client": "server-ca",
	} {
		by, err := m.folder.authority("etcd/" + authority)
		if err != nil {
			return err
		}
		what := wish{user: "etcd-" + certificate, names: names, both: true}
		if err := m.folder.issue(by, "etcd/"+certificate, what); err != nil {
			return err
		}
	}
	return nil
}

// watch says when the member stops, and leaves a tombstone when etcd has let it go.
func (m *etcdMember) watch(ctx context.Context, ready <-chan struct{}) {
	select {
	case <-ctx.Done():
		m.running.Close()
		return
	case <-m.running.Server.StopNotify():
	case err := <-m.running.Err():
		fatal(err)
	}
	if m.running.Server.Cluster().Member(m.running.Server.MemberID()) != nil {
		fatal(errors.New("etcd stopped"))
	}
	if err := os.WriteFile(filepath.Join(m.dir, tombstone), nil, 0o600); err != nil {
		fatal(err)
	}
	m.running.Close()
	select {
	case <-ready: // As K3s does: it runs on without its datastore.
		logf("info", "this node has been removed from the cluster please restart k3s to rejoin the cluster")
	default:
		fatal(errors.New("this node has been removed from the cluster"))
	}
}

// dial makes a client for these members.
func (m *etcdMember) dial(endpoints ...string) (*clientv3.Client, error) {
	store := m.store()
	store.Endpoints = endpoints
	return datastoreClient(store)
}

// store is what the API server is told.
func (m *etcdMember) store() endpoint.ETCDConfig {
	return endpoint.ETCDConfig{
		Endpoints:   []string{etcdLocal},
		LeaderElect: true,
		TLSConfig: kinetls.Config{
			CAFile:   m.folder.path("etcd/server-ca.crt"),
			CertFile: m.folder.path("etcd/client.crt"),
			KeyFile:  m.folder.path("etcd/client.key"),
		},
	}
}
