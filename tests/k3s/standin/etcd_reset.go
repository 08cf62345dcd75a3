package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/etcdutl/v3/snapshot"
	"go.uber.org/zap"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// resetPeriod is how often K3s looks whether its member stands alone.
const resetPeriod = 5 * time.Second

// resetFlag is the file that a reset leaves, and that the next start of the service takes away.
func resetFlag(config *Config) string { return config.path("server", "db", "reset-flag") }

// resetCluster is `k3s server --cluster-reset`: this server's member goes on alone, with its own data or a snapshot's.
// No API runs meanwhile. The caller ends the process after it, as K3s does.
func resetCluster(ctx context.Context, config *Config) error {
	path := config.String("cluster-reset-restore-path")
	if err := mayReset(config, path); err != nil {
		return err
	}
	if err := os.Remove(config.path("agent", "etc", "k3s-agent-load-balancer.json")); !absentOrNil(err) {
		return err
	}
	password, err := serverPassword(config)
	if err != nil {
		return err
	}
	folder := pki(config.path("server", "tls"))
	if err := havingAuthorities(folder); err != nil {
		return err
	}
	member, err := newEtcdMember(config, folder)
	if err != nil {
		return err
	}
	if path != "" {
		err = member.restore(path)
	}
	if err = errors.Join(err, member.rename(), os.WriteFile(resetFlag(config), nil, 0o600)); err != nil {
		return err
	}
	logf("info", "Starting etcd for new cluster, cluster-reset=true")
	member.alone = true
	if err := member.start(ctx, []string{member.name + "=" + member.url("2380")}, "new"); err != nil {
		return err
	}
	if err := member.awaitAlone(ctx); err != nil {
		return err
	}
	if err := shareAuthorities(ctx, member.client, folder, password); err != nil {
		return err
	}
	logf("info", "Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. "+
		"Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes")
	return nil
}

// mayReset says why this server cannot be reset as it is, in K3s's words.
func mayReset(config *Config, path string) error {
	if config.String("server") != "" {
		return errors.New("cannot perform cluster-reset while server URL is set - " +
			"remove server from configuration before resetting")
	}
	if config.String("datastore-endpoint") != "" {
		return notHere("cluster-reset on an external datastore")
	}
	if path == "" {
		if _, err := os.Stat(resetFlag(config)); err == nil {
			return fmt.Errorf("Managed etcd cluster membership was previously reset, please remove the cluster-reset flag "+
				"and start k3s normally. If you need to perform another cluster reset, you must first manually delete "+
				"the file at %s", resetFlag(config))
		}
		if !etcdBegun(config) {
			return notHere("cluster-reset where there is no etcd") // K3s begins a new one.
		}
		return nil
	}
	about, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("etcd: snapshot path does not exist: %s", path)
	}
	if about.IsDir() {
		return fmt.Errorf("etcd: snapshot path must be a file, not a directory: %s", path)
	}
	given, err := config.secret("token")
	if _, missing := os.Stat(config.path("server", "token")); err == nil && given == "" && missing != nil {
		return errors.New(config.path("server", "token") + " does not exist, please pass --token to complete the restoration")
	}
	return err
}

// havingAuthorities has there be some for etcd to start with; those in the datastore take their place in the end.
func havingAuthorities(folder pki) error {
	files, err := folder.held()
	if err != nil || files != nil {
		return err
	}
	if files, err = newAuthorities(); err != nil {
		return err
	}
	return folder.write(files)
}

// restore makes this member's folder anew of a snapshot; what was there is put aside.
func (m *etcdMember) restore(path string) error {
	aside := fmt.Sprintf("%s-old-%d", m.dir, time.Now().Unix())
	if err := os.Rename(m.dir, aside); err != nil {
		return err
	}
	logf("info", "Pre-restore etcd database moved to %s", aside)
	return snapshot.NewV3(zap.NewNop()).Restore(snapshot.RestoreConfig{
		SnapshotPath:   path,
		Name:           m.name,
		OutputDataDir:  m.dir,
		PeerURLs:       []string{m.url("2380")},
		InitialCluster: m.name + "=" + m.url("2380"),
	})
}

// rename gives the member another name: it is not the one that the others knew.
func (m *etcdMember) rename() error {
	if err := os.Remove(filepath.Join(m.dir, etcdNameFile)); !absentOrNil(err) {
		return err
	}
	return m.takeName()
}

func absentOrNil(err error) bool { return err == nil || errors.Is(err, os.ErrNotExist) }

// awaitAlone waits until etcd has no other member than this one, by its new name.
func (m *etcdMember) awaitAlone(ctx context.Context) error {
	if err := m.awaitVote(ctx); err != nil {
		return err
	}
	for {
		listed, err := m.list(ctx)
		if err == nil && len(listed) == 1 && listed[0].Name == m.name {
			return nil
		}
		if err := pause(ctx, resetPeriod); err != nil {
			return err
		}
	}
}

// takeResetFlag says whether the cluster was reset before this start.
func takeResetFlag(config *Config) bool { return os.Remove(resetFlag(config)) == nil }

// forgetOwnPassword lets this node come by its name whatever its password was when the snapshot was made.
func forgetOwnPassword(ctx context.Context, config *Config, client kubernetes.Interface) error {
	name := nodeName(config) + nodePasswordSuffix
	err := client.CoreV1().Secrets(systemNamespace).Delete(ctx, name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
