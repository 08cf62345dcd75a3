package main

import (
	"context"
	"os"
	"time"

	"github.com/k3s-io/kine/pkg/endpoint"
	"github.com/k3s-io/kine/pkg/tls"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// sqliteOptions are the ones that kine uses for its own default file.
	sqliteOptions = "?_journal=WAL&cache=shared&_busy_timeout=30000&_txlock=immediate"
	dialTimeout   = 10 * time.Second
)

// startDatastore runs kine on SQLite or on the datastore that is named; an etcd (http, https) is used as it is.
func startDatastore(ctx context.Context, config *Config) (endpoint.ETCDConfig, error) {
	if err := os.MkdirAll(config.path("server", "db"), 0o700); err != nil {
		return endpoint.ETCDConfig{}, err
	}
	where := config.String("datastore-endpoint")
	if where == "" || where == "sqlite" {
		where = "sqlite://" + config.path("server", "db", "state.db") + sqliteOptions
	}
	socket := config.path("server", "kine.sock")
	if err := os.RemoveAll(socket); err != nil {
		return endpoint.ETCDConfig{}, err
	}
	return endpoint.Listen(ctx, endpoint.Config{
		Endpoint: where,
		Listener: "unix://" + socket,
		BackendTLSConfig: tls.Config{
			CAFile:   config.String("datastore-cafile"),
			CertFile: config.String("datastore-certfile"),
			KeyFile:  config.String("datastore-keyfile"),
		},
		NotifyInterval:   5 * time.Second,
		CompactInterval:  5 * time.Minute,
		CompactTimeout:   5 * time.Second,
		CompactMinRetain: 1000,
		CompactBatchSize: 1000,
		PollBatchSize:    500,
	})
}

// datastoreClient talks to kine, or to the etcd behind it.
func datastoreClient(store endpoint.ETCDConfig) (*clientv3.Client, error) {
	secured, err := store.TLSConfig.ClientConfig()
	if err != nil {
		return nil, err
	}
	return clientv3.New(clientv3.Config{Endpoints: store.Endpoints, TLS: secured, DialTimeout: dialTimeout})
}
