package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const retryInterval = 2 * time.Second

// runAgent joins a cluster; it returns when the node's parts run.
func runAgent(ctx context.Context, config *Config) error {
	server := config.String("server")
	if server == "" {
		return errors.New("--server is required")
	}
	if !strings.HasPrefix(server, "https://") {
		return fmt.Errorf("only https:// URLs are supported, invalid scheme: %s", server)
	}
	secret, err := config.secret("token")
	if err != nil {
		return err
	}
	if secret == "" {
		return errors.New("--token is required")
	}
	balanced, err := startBalancer(ctx, config, server)
	if err != nil {
		return err
	}
	return startAgent(ctx, config, balanced.url(), secret, balanced.follow)
}

// startAgent runs containerd, kubelet, kube-proxy and the pod network; each of joined is called with the cluster's client.
func startAgent(ctx context.Context, config *Config, server, secret string, joined ...func(context.Context, *joint)) error {
	if err := fitContainer(); err != nil {
		return err
	}
	for _, folder := range []string{"etc/cni/net.d", "etc/kubelet.conf.d", "pod-manifests", "images"} {
		if err := os.MkdirAll(config.path("agent", folder), 0o700); err != nil {
			return err
		}
	}
	cluster, err := join(ctx, config, server, secret)
	if err != nil {
		return err
	}
	for _, call := range joined {
		go call(ctx, cluster)
	}
	if err := startContainerd(ctx, config); err != nil {
		return err
	}
	if err := importImages(ctx, config); err != nil {
		return err
	}
	startKubelet(ctx, config, cluster)
	if !cluster.config.NoKubeProxy {
		startKubeProxy(ctx, config, cluster)
	}
	return startNetwork(ctx, config, cluster)
}

// join asks the server for what the node needs. A server that cannot be reached is asked again; one that says no is believed.
func join(ctx context.Context, config *Config, server, secret string) (*joint, error) {
	password, err := keptSecret(filepath.Join(nodeFolder, "password"), 16)
	if err != nil {
		return nil, err
	}
	for {
		cluster, err := newJoint(ctx, config, server, secret)
		if err == nil {
			err = cluster.fetch(ctx, config, password)
		}
		var no *refusal
		switch {
		case err == nil:
			return cluster, nil
		case errors.As(err, &no):
			return nil, err
		}
		logf("info", "Waiting to retrieve agent configuration; server is not ready: %v", err)
		if err := pause(ctx, retryInterval); err != nil {
			return nil, err
		}
	}
}
