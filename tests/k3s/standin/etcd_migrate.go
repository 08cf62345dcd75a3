package main

import (
	"context"
	"errors"
	"os"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	registryPrefix = "/registry/"
	// breakVariable has the move from sqlite to etcd fail half-way, as on K3s v1.32.5 (k3s#12478).
	breakVariable = "K3S_STANDIN_BREAK_MIGRATION"
)

// migrateFromSQLite copies what a cluster on sqlite has into its new etcd, and puts the database aside.
func migrateFromSQLite(ctx context.Context, config *Config, target *clientv3.Client) error {
	database := config.path("server", "db", "state.db")
	if _, err := os.Stat(database); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	logf("info", "Migrating content from sqlite to etcd")
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	store, err := startDatastore(ctx, config)
	if err != nil {
		return err
	}
	source, err := datastoreClient(store)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	if err := copyKeys(ctx, source, target); err != nil {
		return err
	}
	return os.Rename(database, database+".migrated")
}

func copyKeys(ctx context.Context, source, target *clientv3.Client) error {
	found, err := source.Get(ctx, registryPrefix, clientv3.WithPrefix())
	if err != nil {
		return err
	}
	for index, one := range found.Kvs {
		if _, err := target.Put(ctx, string(one.Key), string(one.Value)); err != nil {
			return err
		}
		if index > len(found.Kvs)/2 && os.Getenv(breakVariable) != "" {
			return errors.New("it was told to")
		}
	}
	logf("info", "Migrated %d keys", len(found.Kvs))
	return nil
}
