package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	// routeProtocol marks our routes, so that those of nodes that have gone are found after a restart too.
	routeProtocol   = "198"
	networkInterval = time.Second
	bridgeName      = "cni0"
)

func networkFolder(config *Config) string { return config.path("agent", "etc", "cni", "net.d") }

// startNetwork is flannel's host-gw in miniature: a bridge on each node, and a route to each other node's pods.
func startNetwork(ctx context.Context, config *Config, cluster *joint) error {
	if cluster.config.FlannelBackend == "none" {
		return nil
	}
	// kube-proxy may read all nodes; a kubelet only its own.
	_, client, err := clientFor(config.path("agent", "kubeproxy.kubeconfig"))
	if err != nil {
		return err
	}
	for _, pods := range cluster.config.ClusterCIDR {
		if err := openFirewall(ctx, pods); err != nil {
			return err
		}
	}
	go keepNetwork(ctx, config, client, cluster.name)
	return nil
}

// keepNetwork does again and again what the cluster's nodes ask for.
func keepNetwork(ctx context.Context, config *Config, client kubernetes.Interface, own string) {
	var written string
	for ; ; _ = pause(ctx, networkInterval) {
		if ctx.Err() != nil {
			return
		}
		nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
		if err != nil {
			continue
		}
		pods, routes := wantedNetwork(nodes.Items, own)
		if pods != "" && pods != written {
			if err := writeBridge(ctx, config, pods); err != nil {
				logf("error", "cannot write the pod network: %v", err)
				continue
			}
			written = pods
		}
		if err := keepRoutes(ctx, routes); err != nil {
			logf("error", "cannot route to the pods of other nodes: %v", err)
		}
	}
}

// wantedNetwork says which addresses this node's pods get, and the route (network → node) to those of each other node.
func wantedNetwork(nodes []corev1.Node, own string) (string, map[string]string) {
	pods, routes := "", map[string]string{}
	for _, node := range nodes {
		if node.Name == own {
			pods = node.Spec.PodCIDR
			continue
		}
		for _, address := range node.Status.Addresses {
			if address.Type == corev1.NodeInternalIP && node.Spec.PodCIDR != "" {
				routes[node.Spec.PodCIDR] = address.Address
			}
		}
	}
	return pods, routes
}

func keepRoutes(ctx context.Context, wanted map[string]string) error {
	listed, err := command(ctx, "ip", "-json", "-4", "route", "show", "proto", routeProtocol)
	if err != nil {
		return err
	}
	var routes []struct{ Dst, Gateway string }
	if err := json.Unmarshal(listed, &routes); err != nil {
		return err
	}
	found := map[string]string{}
	for _, route := range routes {
		found[route.Dst] = route.Gateway
	}
	if maps.Equal(found, wanted) {
		return nil
	}
	for network := range found {
		if wanted[network] == "" {
			if _, err := command(ctx, "ip", "route", "del", network, "proto", routeProtocol); err != nil {
				return err
			}
		}
	}
	for network, node := range wanted {
		if found[network] != node {
			if _, err := command(ctx, "ip", "route", "replace", network, "via", node, "proto", routeProtocol); err != nil {
				return err
			}
		}
	}
	return nil
}

// openFirewall lets pods be reached from other nodes, and hides their addresses from the world outside the cluster.
func openFirewall(ctx context.Context, pods string) error {
	for _, rule := range []string{
		"nat POSTROUTING -s " + pods + " ! -d " + pods + " -j MASQUERADE",
		"filter FORWARD -s " + pods + " -j ACCEPT",
		"filter FORWARD -d " + pods + " -j ACCEPT",
	} {
		table, rest, _ := strings.Cut(rule, " ")
		chain, match, _ := strings.Cut(rest, " ")
		given := append([]string{chain}, strings.Fields(match)...)
		if _, err := command(ctx, "iptables", append([]string{"-w", "-t", table, "-C"}, given...)...); err == nil {
			continue
		}
		if _, err := command(ctx, "iptables", append([]string{"-w", "-t", table, "-A"}, given...)...); err != nil {
			return err
		}
	}
	return nil
}

// writeBridge has containerd give this node's pods their addresses. A bridge from an earlier life of the node, with another
// range, would be refused by the plugin.
func writeBridge(ctx context.Context, config *Config, pods string) error {
	listed, err := command(ctx, "ip", "-json", "-4", "address", "show")
	if err != nil {
		return err
	}
	var links []struct {
		Name      string `json:"ifname"`
		Addresses []struct {
			Local string `json:"local"`
		} `json:"addr_info"`
	}
	if err := json.Unmarshal(listed, &links); err != nil {
		return err
	}
	_, network, err := net.ParseCIDR(pods)
	if err != nil {
		return err
	}
	for _, link := range links {
		for _, address := range link.Addresses {
			if link.Name == bridgeName && !network.Contains(net.ParseIP(address.Local)) {
				if _, err := command(ctx, "ip", "link", "delete", bridgeName); err != nil {
					return err
				}
			}
		}
	}
	return writeFile(filepath.Join(networkFolder(config), "10-flannel.conflist"), bridgeConfig(pods))
}

func bridgeConfig(pods string) string {
	return fmt.Sprintf(`{
  "cniVersion": "1.0.0", "name": "cbr0",
  "plugins": [
    {"type": "bridge", "bridge": %q, "isGateway": true, "hairpinMode": true, "ipMasq": false,
     "ipam": {"type": "host-local", "ranges": [[{"subnet": %q}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}
  ]
}
`, bridgeName, pods)
}

func command(ctx context.Context, program string, parameters ...string) ([]byte, error) {
	said, err := exec.CommandContext(ctx, program, parameters...).Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", program, strings.Join(parameters, " "), err)
	}
	return said, nil
}
