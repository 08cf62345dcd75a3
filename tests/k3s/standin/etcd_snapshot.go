package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const snapshotTimeout = time.Minute

// snapshotCommand is `k3s etcd-snapshot save|ls`, on a server that runs.
func snapshotCommand(arguments []string) error {
	verb := "save"
	if len(arguments) > 0 && arguments[0][0] != '-' {
		verb, arguments = arguments[0], arguments[1:]
	}
	name := "on-demand"
	for index := 0; index+1 < len(arguments); index += 2 {
		if arguments[index] != "--name" {
			return notHere("k3s etcd-snapshot " + arguments[index])
		}
		name = arguments[index+1]
	}
	config, err := readConfig("server", nil, os.Getenv)
	if err != nil {
		return err
	}
	if !etcdBegun(config) {
		return errors.New("etcd datastore disabled")
	}
	folder := config.path("server", "db", "snapshots")
	switch verb {
	case "save":
		return saveSnapshot(config, folder, fmt.Sprintf("%s-%s-%d", name, nodeName(config), time.Now().Unix()))
	case "ls", "list":
		return listSnapshots(folder)
	}
	return notHere("k3s etcd-snapshot " + verb)
}

// saveSnapshot has etcd write out its database, whole or not at all.
func saveSnapshot(config *Config, folder, name string) error {
	member := &etcdMember{folder: pki(config.path("server", "tls"))}
	client, err := member.dial(etcdLocal)
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), snapshotTimeout)
	defer cancel()
	content, err := client.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	path := filepath.Join(folder, name)
	file, err := os.OpenFile(path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = io.Copy(file, content); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	logf("info", "Snapshot %s saved.", name)
	return os.Rename(path+".part", path)
}

func listSnapshots(folder string) error {
	found, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	fmt.Println("Name\tLocation\tSize\tCreated")
	for _, one := range found {
		if about, err := one.Info(); err == nil {
			created := about.ModTime().UTC().Format(time.RFC3339)
			fmt.Printf("%s\tfile://%s\t%d\t%s\n", one.Name(), filepath.Join(folder, one.Name()), about.Size(), created)
		}
	}
	return nil
}
