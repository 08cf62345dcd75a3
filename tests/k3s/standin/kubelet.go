package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	proxyapp "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubeletapp "k8s.io/kubernetes/cmd/kubelet/app"
	"sigs.k8s.io/yaml"
)

// startKubelet runs the kubelet on its folder of drop-ins: the first file is ours, a user's own come after it.
func startKubelet(ctx context.Context, config *Config, cluster *joint) {
	dropIns := config.path("agent", "etc", "kubelet.conf.d")
	written, err := yaml.Marshal(kubeletSettings(config, cluster))
	if err == nil {
		err = writeFile(dropIns+"/00-k3s-defaults.conf", string(written))
	}
	if err != nil {
		fatal(err)
	}
	ours := map[string]string{
		"config-dir":        dropIns,
		"hostname-override": cluster.name,
		"kubeconfig":        config.path("agent", "kubelet.kubeconfig"),
		"node-ip":           cluster.address,
	}
	if labels := config.List("node-label"); len(labels) > 0 {
		ours["node-labels"] = strings.Join(labels, ",")
	}
	if taints := config.List("node-taint"); len(taints) > 0 {
		ours["register-with-taints"] = strings.Join(taints, ",")
	}
	logf("info", "Running kubelet")
	start(ctx, "kubelet", kubeletapp.NewKubeletCommand(ctx), newArguments(ours, config.List("kubelet-arg")))
}

// kubeletSettings are K3s's own, and what a kubelet in a container needs.
func kubeletSettings(config *Config, cluster *joint) map[string]any {
	settings := map[string]any{
		"apiVersion":               "kubelet.config.k8s.io/v1beta1",
		"kind":                     "KubeletConfiguration",
		"address":                  "0.0.0.0",
		"cgroupDriver":             "cgroupfs",
		"clusterDNS":               cluster.config.ClusterDNS,
		"clusterDomain":            cluster.config.ClusterDomain,
		"containerRuntimeEndpoint": "unix://" + containerdSocket,
		"evictionHard":             map[string]string{"imagefs.available": "5%", "nodefs.available": "5%"},
		"evictionMinimumReclaim":   map[string]string{"imagefs.available": "10%", "nodefs.available": "10%"},
		"failSwapOn":               false,
		"healthzBindAddress":       "127.0.0.1",
		"protectKernelDefaults":    config.Bool("protect-kernel-defaults"),
		"readOnlyPort":             0,
		"serializeImagePulls":      false,
		"staticPodPath":            config.path("agent", "pod-manifests"),
		"tlsCertFile":              cluster.folder.path("serving-kubelet.crt"),
		"tlsPrivateKeyFile":        cluster.folder.path("serving-kubelet.key"),
		"authentication": map[string]any{
			"anonymous": map[string]any{"enabled": false},
			"webhook":   map[string]any{"enabled": true},
			"x509":      map[string]any{"clientCAFile": cluster.folder.path("client-ca.crt")},
		},
		"authorization": map[string]any{"mode": "Webhook"},

		"enableControllerAttachDetach": false, // The controller that would do it is left out (see controllers).
		"failCgroupV1":                 false,
		"featureGates":                 map[string]bool{"KubeletInUserNamespace": true},
		"makeIPTablesUtilChains":       false,
	}
	if file := config.String("resolv-conf"); file != "" {
		settings["resolvConf"] = file
	}
	return settings
}

// startKubeProxy uses iptables, as K3s does; in nftables mode 127.0.0.1 serves no NodePort. The kernel's connection tracking
// belongs to the machine that the node is a container of.
func startKubeProxy(ctx context.Context, config *Config, cluster *joint) {
	ours := map[string]string{
		"cluster-cidr":                      strings.Join(cluster.config.ClusterCIDR, ","),
		"conntrack-max-per-core":            "0",
		"conntrack-tcp-timeout-close-wait":  "0",
		"conntrack-tcp-timeout-established": "0",
		"healthz-bind-address":              "127.0.0.1",
		"hostname-override":                 cluster.name,
		"kubeconfig":                        config.path("agent", "kubeproxy.kubeconfig"),
		"proxy-mode":                        "iptables",
	}
	logf("info", "Running kube-proxy")
	start(ctx, "kube-proxy", proxyapp.NewProxyCommand(), newArguments(ours, config.List("kube-proxy-arg")))
}

// start runs a component by its own command.
func start(ctx context.Context, name string, command *cobra.Command, given arguments) {
	command.SetArgs(given.line())
	command.SilenceErrors, command.SilenceUsage = true, true
	go runUntil(ctx, name, func() error { return command.ExecuteContext(ctx) })
}
