package main

import (
	"context"
	"errors"
	"os"
	"strings"
	"time"

	"github.com/k3s-io/kine/pkg/endpoint"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	pollInterval = 100 * time.Millisecond
	// dnsIndex is the place of the cluster's DNS in the range of services, in K3s as elsewhere.
	dnsIndex = 10
)

// runServer starts a server, with the agent that it also is; it returns when all runs.
func runServer(ctx context.Context, config *Config) error {
	manager, err := newControllerManager()
	if err != nil {
		return err
	}
	folder, reset := pki(config.path("server", "tls")), takeResetFlag(config)
	member, store, password, err := openDatastore(ctx, config, folder)
	if err != nil {
		return err
	}
	front, err := newSupervisor(config, folder, password)
	if err != nil {
		return err
	}
	front.member = member
	if err := startControlPlane(ctx, config, store, front, manager); err != nil {
		return err
	}
	go deployManifests(ctx, config)
	if reset {
		if err := forgetOwnPassword(ctx, config, front.client); err != nil {
			return err
		}
	}
	if member != nil {
		go member.markEtcd(ctx, front.client)
		go member.followNodes(ctx, front.client)
	}
	if config.Bool("disable-agent") {
		return nil
	}
	return startOwnAgent(ctx, config, front)
}

// openDatastore is openEtcd or openCluster, by what the configuration and the disk say.
func openDatastore(ctx context.Context, config *Config, folder pki) (*etcdMember, endpoint.ETCDConfig, string, error) {
	if usesEtcd(config) {
		return openEtcd(ctx, config, folder)
	}
	store, password, err := openCluster(ctx, config, folder)
	return nil, store, password, err
}

// openCluster starts the datastore and gets the cluster's authorities from it; says also what its secret is.
func openCluster(ctx context.Context, config *Config, folder pki) (endpoint.ETCDConfig, string, error) {
	store, err := startDatastore(ctx, config)
	if err != nil {
		return store, "", err
	}
	client, err := datastoreClient(store)
	if err != nil {
		return store, "", err
	}
	defer func() { _ = client.Close() }()
	password, err := serverPassword(config)
	if err != nil {
		return store, "", err
	}
	return store, password, shareAuthorities(ctx, client, folder, password)
}

// startControlPlane runs the API server, and what works through it once it is ready.
func startControlPlane(
	ctx context.Context, config *Config, store endpoint.ETCDConfig, front *supervisor, manager *controllerManager,
) error {
	address, err := nodeAddress(config)
	if err != nil {
		return err
	}
	if advertised := config.String("advertise-address"); advertised != "" {
		address = advertised
	}
	if err := prepareServer(config, front.folder, address, front); err != nil {
		return err
	}
	logf("info", "Running kube-apiserver")
	if err := startAPIServer(ctx, apiServerArguments(config, store, front.folder, address), front); err != nil {
		return err
	}
	if err := awaitAPIServer(ctx, front.client); err != nil {
		return err
	}
	logf("info", "Kube API server is now running")
	if !config.Bool("disable-controller-manager") {
		if err := manager.start(ctx, config, front.folder, store.LeaderElect); err != nil {
			return err
		}
	}
	if !config.Bool("disable-scheduler") {
		if err := startScheduler(ctx, config, store.LeaderElect); err != nil {
			return err
		}
	}
	return forgetPasswords(ctx, front.client)
}

// startOwnAgent has the server be a node of its cluster too.
func startOwnAgent(ctx context.Context, config *Config, front *supervisor) error {
	ca, err := os.ReadFile(front.folder.path("server-ca.crt"))
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

// awaitAPIServer waits until the API server is ready, and has the namespace that the nodes' passwords are kept in.
func awaitAPIServer(ctx context.Context, client kubernetes.Interface) error {
	for {
		ready, err := client.Discovery().RESTClient().Get().AbsPath("/readyz").DoRaw(ctx)
		if err == nil && string(ready) == "ok" {
			_, err = client.CoreV1().Namespaces().Get(ctx, systemNamespace, metav1.GetOptions{})
		}
		if err == nil {
			return nil
		}
		if err := pause(ctx, pollInterval); err != nil {
			return err
		}
	}
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

func localURL(config *Config) string {
	return "https://127.0.0.1:" + config.String("https-listen-port")
}
