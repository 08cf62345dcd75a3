"""Where du-node keeps things on a node."""

from __future__ import annotations

STATE = "/var/lib/du-node"
RUN = "/run/du-node"
SECRETS = f"{STATE}/secrets"
VOLUMES = "/var/lib/du-volumes"
SETTINGS = f"{STATE}/settings.json"
WANTED = f"{STATE}/wanted.json"
RESULT = f"{STATE}/result.json"
BEFORE = f"{STATE}/before"
CONFIGURED = f"{STATE}/configured.json"
DRAINED = f"{STATE}/drained"
# "1" while this node leaves the region's address to the others: keepalived reads it.
VIP_AWAY = f"{STATE}/vip-away"
PULLED = f"{STATE}/pulled.json"
# How this node reaches its cluster's API: {"server", "ca", "token"}, for root alone.
KUBE = f"{STATE}/kube.json"
LOCK = f"{RUN}/lock"
TURN = f"{RUN}/turn"
RESTARTS = f"{RUN}/restarts.json"
PEERS = f"{RUN}/peers.json"
SEEN = f"{RUN}/seen.json"
# Other regions that are to be watched, what was seen of them, and how many requests were counted.
REGIONS = f"{RUN}/regions.json"
REGIONS_SEEN = f"{RUN}/regions-seen.json"
COUNTED = f"{RUN}/counted.json"
HANDOVER = f"{RUN}/handover.json"
# What stands in it while the firewall is being changed.
UNSURE = "unsure"
# Where every gateway takes requests, and questions, from the region's other nodes.
PEER_PORT = 8082
LOGS = "/var/log/du"
ACCESS_LOG = f"{LOGS}/access.log"
DU_CONF = "/etc/nginx/conf.d/du.conf"
NGINX_CONF = "/etc/nginx/nginx.conf"
TEST_CONF = "/etc/nginx/du-test.conf"
ENVOY_CLUSTERS = "/etc/envoy/du/clusters.json"
ENVOY_ROUTES = "/etc/envoy/du/routes.json"
ENVOY_ADMIN = "/run/envoy/admin.sock"
# Where each kind of gateway keeps its table: as JSON in the first line, between these two.
STORED_TABLE = {
    "nginx": (DU_CONF, "# du-node ", ""),
    "envoy": (ENVOY_ROUTES, '{"resources":[{"metadata":{"filter_metadata":{"du":', "}},"),
}
