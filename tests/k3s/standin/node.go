package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const (
	nodeFolder       = "/etc/rancher/node"
	controlPlaneRole = `{"metadata":{"labels":{"node-role.kubernetes.io/control-plane":"true"}}}`
)

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

// keptSecret is the content of a file, which is made with a random secret when there is none.
func keptSecret(path string, bytes int) (string, error) {
	content, err := os.ReadFile(path)
	if err == nil && len(content) > 0 {
		return strings.TrimSpace(string(content)), nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	secret := randomHex(bytes)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return "", err
	}
	return secret, os.WriteFile(path, []byte(secret+"\n"), 0o600)
}
