"""What K3s documents, for a table to check the roles against.

Sources: docs.k3s.io, "k3s agent" and "k3s server" (the help of each command, v1.34), "Configuration File" (a key is a
flag's name), "Using the --disable flag"; the unit that K3s's installer writes (get.k3s.io); kubernetes.io, "Kubelet
Configuration (v1beta1)"; the help of kube-apiserver and kube-controller-manager, v1.34.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


AGENT = _words("""
    alsologtostderr bind-address container-runtime-endpoint data-dir debug default-runtime disable-apiserver-lb
    disable-default-registry-endpoint docker enable-pprof flannel-cni-conf flannel-conf flannel-iface
    image-credential-provider-bin-dir image-credential-provider-config image-service-endpoint kube-proxy-arg
    kubelet-arg lb-server-port log node-external-dns node-external-ip node-internal-dns node-ip node-label node-name
    node-taint nonroot-devices pause-image prefer-bundled-bin private-registry protect-kernel-defaults resolv-conf
    rootless selinux server snapshotter token token-file v vmodule vpn-auth vpn-auth-file with-node-id
""")
"""Keys that an agent and a server accept."""

SERVER = _words("""
    advertise-address advertise-port agent-token agent-token-file cluster-cidr cluster-dns cluster-domain cluster-init
    cluster-reset cluster-reset-restore-path datastore-cafile datastore-certfile datastore-endpoint datastore-keyfile
    default-local-storage-path disable disable-cloud-controller disable-helm-controller disable-kube-proxy
    disable-network-policy disable-scheduler egress-selector-mode embedded-registry etcd-arg etcd-disable-snapshots
    etcd-expose-metrics etcd-s3 etcd-s3-access-key etcd-s3-bucket etcd-s3-config-secret etcd-s3-endpoint
    etcd-s3-endpoint-ca etcd-s3-folder etcd-s3-insecure etcd-s3-proxy etcd-s3-region etcd-s3-secret-key
    etcd-s3-skip-ssl-verify etcd-s3-timeout etcd-snapshot-compress etcd-snapshot-dir etcd-snapshot-name
    etcd-snapshot-retention etcd-snapshot-schedule-cron flannel-backend flannel-external-ip flannel-ipv6-masq
    helm-job-image https-listen-port kube-apiserver-arg kube-cloud-controller-manager-arg kube-controller-manager-arg
    kube-scheduler-arg secrets-encryption secrets-encryption-provider service-cidr service-node-port-range
    servicelb-namespace supervisor-metrics system-default-registry tls-san tls-san-security write-kubeconfig
    write-kubeconfig-group write-kubeconfig-mode
""")
"""Keys that only a server accepts."""

LISTS = frozenset({"disable", "tls-san", "kube-apiserver-arg", "kube-controller-manager-arg"})
"""Of those that we use, the ones that take a list."""

FLAGS = frozenset({"disable-cloud-controller", "disable-helm-controller", "disable-network-policy"})
"""Of those that we use, the ones that are true or false."""

ALIKE = _words("""
    agent-token cluster-cidr cluster-dns cluster-domain disable-cloud-controller disable-helm-controller
    disable-network-policy egress-selector-mode embedded-registry flannel-backend flannel-external-ip flannel-ipv6-masq
    secrets-encryption secrets-encryption-provider service-cidr
""")
"""Keys that must be the same on all servers of a cluster."""

PACKAGED = frozenset({"coredns", "servicelb", "traefik", "local-storage", "metrics-server", "runtimes"})
"""What ``disable`` may name."""

BACKENDS = frozenset({"none", "vxlan", "host-gw", "wireguard-native"})

ARGUMENTS = {
    "kube-apiserver-arg": frozenset({"default-not-ready-toleration-seconds", "default-unreachable-toleration-seconds"}),
    "kube-controller-manager-arg": frozenset({"node-monitor-grace-period", "node-monitor-period"}),
}
"""Of the flags that those have, the ones that we use."""

KUBELET = _words("""
    apiVersion kind containerLogMaxFiles containerLogMaxSize evictionHard evictionMinimumReclaim
    imageGCHighThresholdPercent imageGCLowThresholdPercent kubeReserved maxPods nodeLeaseDurationSeconds
    nodeStatusUpdateFrequency shutdownGracePeriod shutdownGracePeriodCriticalPods systemReserved
""")
"""Of the kubelet's fields, the ones that we use; the stand-in's kubelet is upstream's, and refuses others."""

SIGNALS = frozenset({"memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available"})

UNIT = {
    "Unit": ["Documentation=https://k3s.io", "Wants=network-online.target"],
    "Service": [
        "Type=notify",
        "EnvironmentFile=-/etc/default/%N",
        "EnvironmentFile=-/etc/sysconfig/%N",
        "EnvironmentFile=-/etc/systemd/system/%N.service.env",
        "KillMode=process",
        "Delegate=yes",
        "User=root",
        "LimitNOFILE=1048576",
        "LimitNPROC=infinity",
        "LimitCORE=infinity",
        "TasksMax=infinity",
        "TimeoutStartSec=0",
        "Restart=always",
        "RestartSec=5s",
        "ExecStartPre=-/sbin/modprobe br_netfilter",
        "ExecStartPre=-/sbin/modprobe overlay",
    ],
    "Install": ["WantedBy=multi-user.target"],
}
"""The lines of the installer's unit, but for its description, its order and its command."""
