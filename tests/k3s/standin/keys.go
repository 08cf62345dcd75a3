package main

import "strings"

// kind says what a key's value is.
type kind int

const (
	text kind = iota
	flag
	number
	list
	// commaList is a list whose items may also be written in one value, with commas.
	commaList
)

// use says what the stand-in does with a key.
type use int

const (
	// honoured keys do what K3s's documentation says.
	honoured use = iota
	// accepted keys change nothing here: what they would change is not in the stand-in.
	accepted
	// refused keys would make a difference that the stand-in cannot make, so it says so.
	refused
)

type key struct {
	kind       kind
	use        use
	serverOnly bool
	standard   string
	variable   string
}

type group struct {
	kind       kind
	use        use
	serverOnly bool
	names      string
}

// groups are the flags of `k3s server` and `k3s agent`, which are also the keys of config.yaml.
var groups = []group{
	{text, honoured, false, "token token-file server data-dir node-name pause-image snapshotter private-registry"},
	{text, honoured, false, "resolv-conf"},
	{number, honoured, false, "lb-server-port"},
	{flag, honoured, false, "with-node-id protect-kernel-defaults"},
	{commaList, honoured, false, "node-ip"},
	{list, honoured, false, "node-label node-taint kubelet-arg kube-proxy-arg"},
	{commaList, accepted, false, "node-external-ip node-internal-dns node-external-dns"},
	{text, accepted, false, "v vmodule log flannel-iface bind-address"},
	{text, accepted, false, "image-credential-provider-bin-dir image-credential-provider-config"},
	{flag, accepted, false, "debug alsologtostderr prefer-bundled-bin enable-pprof disable-apiserver-lb nonroot-devices"},
	{text, refused, false, "container-runtime-endpoint image-service-endpoint default-runtime vpn-auth vpn-auth-file"},
	{text, refused, false, "flannel-conf flannel-cni-conf"},
	{flag, refused, false, "docker rootless selinux disable-default-registry-endpoint"},
	{list, refused, false, "airgap-extra-registry"},

	{text, honoured, true, "advertise-address service-node-port-range cluster-domain agent-token agent-token-file"},
	{text, honoured, true, "cluster-reset-restore-path"},
	{text, honoured, true, "write-kubeconfig write-kubeconfig-mode write-kubeconfig-group flannel-backend"},
	{text, honoured, true, "datastore-endpoint datastore-cafile datastore-certfile datastore-keyfile"},
	{number, honoured, true, "https-listen-port"},
	{commaList, honoured, true, "tls-san cluster-cidr service-cidr cluster-dns"},
	{list, honoured, true, "kube-apiserver-arg kube-controller-manager-arg kube-scheduler-arg"},
	{flag, honoured, true, "disable-scheduler disable-controller-manager disable-kube-proxy disable-agent cluster-init"},
	{flag, honoured, true, "cluster-reset"},
	{commaList, accepted, true, "disable"},
	{flag, accepted, true, "disable-cloud-controller disable-network-policy disable-helm-controller tls-san-security"},
	{flag, accepted, true, "flannel-ipv6-masq flannel-external-ip etcd-expose-metrics etcd-disable-snapshots"},
	{flag, accepted, true, "etcd-snapshot-compress supervisor-metrics"},
	{number, accepted, true, "etcd-snapshot-retention"},
	{text, accepted, true, "egress-selector-mode servicelb-namespace helm-job-image system-default-registry"},
	{text, accepted, true, "default-local-storage-path etcd-snapshot-name etcd-snapshot-dir"},
	{text, accepted, true, "etcd-snapshot-schedule-cron"},
	{list, accepted, true, "kube-cloud-controller-manager-arg etcd-arg"},
	{flag, refused, true, "secrets-encryption embedded-registry disable-apiserver"},
	{flag, refused, true, "disable-etcd etcd-s3 etcd-s3-insecure etcd-s3-skip-ssl-verify kine-tls"},
	{number, refused, true, "advertise-port"},
	{text, refused, true, "secrets-encryption-provider etcd-s3-endpoint etcd-s3-endpoint-ca"},
	{text, refused, true, "etcd-s3-access-key etcd-s3-secret-key etcd-s3-bucket etcd-s3-region etcd-s3-folder"},
	{text, refused, true, "etcd-s3-timeout etcd-s3-proxy etcd-s3-config-secret etcd-s3-session-token"},
}

// standards are the values that K3s documents for keys that are not set.
var standards = map[string]string{
	"data-dir":                "/var/lib/rancher/k3s",
	"private-registry":        "/etc/rancher/k3s/registries.yaml",
	"snapshotter":             "overlayfs",
	"lb-server-port":          "6444",
	"https-listen-port":       "6443",
	"cluster-cidr":            "10.42.0.0/16",
	"service-cidr":            "10.43.0.0/16",
	"service-node-port-range": "30000-32767",
	"cluster-domain":          "cluster.local",
	"flannel-backend":         "vxlan",
	"write-kubeconfig":        defaultKubeconfig,
	"write-kubeconfig-mode":   "0600",
	"pause-image":             "rancher/mirrored-pause:3.6",
}

// variables are the keys that K3s also takes from the environment.
var variables = map[string]string{
	"token":                 "K3S_TOKEN",
	"token-file":            "K3S_TOKEN_FILE",
	"server":                "K3S_URL",
	"node-name":             "K3S_NODE_NAME",
	"data-dir":              "K3S_DATA_DIR",
	"resolv-conf":           "K3S_RESOLV_CONF",
	"lb-server-port":        "K3S_LB_SERVER_PORT",
	"agent-token":           "K3S_AGENT_TOKEN",
	"agent-token-file":      "K3S_AGENT_TOKEN_FILE",
	"write-kubeconfig":      "K3S_KUBECONFIG_OUTPUT",
	"write-kubeconfig-mode": "K3S_KUBECONFIG_MODE",
	"datastore-endpoint":    "K3S_DATASTORE_ENDPOINT",
	"datastore-cafile":      "K3S_DATASTORE_CAFILE",
	"datastore-certfile":    "K3S_DATASTORE_CERTFILE",
	"datastore-keyfile":     "K3S_DATASTORE_KEYFILE",
	"cluster-init":          "K3S_CLUSTER_INIT",
	"cluster-reset":         "K3S_CLUSTER_RESET",
}

// shorthands are K3s's one-letter flags.
var shorthands = map[string]string{"t": "token", "s": "server", "d": "data-dir", "i": "node-ip", "o": "write-kubeconfig"}

var keys = table()

func table() map[string]key {
	found := map[string]key{}
	for _, one := range groups {
		for _, name := range strings.Fields(one.names) {
			found[name] = key{one.kind, one.use, one.serverOnly, standards[name], variables[name]}
		}
	}
	return found
}
