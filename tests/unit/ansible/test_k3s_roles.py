"""The roles of K3s say what K3s documents, and nothing that it would pass over without a word."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2.nativetypes import NativeEnvironment

from tests.templates import rendered
from tests.unit.ansible import k3s_documented as documented

ROOT = Path(__file__).parents[3]
ROLES = ROOT / "playbooks" / "roles"
_GROUP = re.compile(r'^\t\{(\w+), (\w+), (true|false), "([^"]+)"\},$', re.MULTILINE)


def defaults(role: str, part: str = "defaults") -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROLES / role / part / "main.yml").read_text())
    return found


def stand_in() -> dict[str, tuple[str, str, bool]]:
    """Key → kind, use, and whether it is a server's, from the stand-in's own table."""
    groups = _GROUP.findall((ROOT / "tests" / "k3s" / "standin" / "keys.go").read_text())
    return {name: (kind, use, server == "true") for kind, use, server, names in groups for name in names.split()}


def firewall(runtime: str, flannel: str = "vxlan", peers: tuple[str, ...] = ("198.18.1.3",)) -> dict[str, list[str]]:
    """The rules by chain, of a node of a region."""
    told = {
        "du_runtime": runtime,
        "du_k3s": {"flannel": flannel},
        "k3s_cluster_cidr": defaults("k3s")["k3s_cluster_cidr"],
        "du_peers": [*peers],
        "du_admin_cidrs": ["198.18.0.1/32", "2001:db8::/32"],
        "du_interface": "eth0",
        "du_vip": "198.18.1.1/16",
    }
    chains: dict[str, list[str]] = {}
    for line in rendered("firewall", "du-infra.nft.j2", **told).splitlines():
        words = line.split()
        if words[:1] == ["chain"]:
            chains[words[1]] = rules = []
        elif chains and words and words[0] not in ("#", "}"):
            rules.append(" ".join(words))
    return chains


SHARED = defaults("k3s")["k3s_keys"]
SERVER = defaults("k3s_server")["k3s_server_keys"]


def left_out(metrics_server: bool) -> list[str]:
    """What ``disable`` names."""
    told = {"du_k3s": {"metrics_server": metrics_server}}
    found: list[str] = NativeEnvironment().from_string(SERVER["disable"]).render(told)
    return found


KUBELET = defaults("k3s")["k3s_kubelet"]


def unit(role: str) -> dict[str, list[str]]:
    """The lines of a unit by section, without comments."""
    text = rendered("k3s", "unit.service.j2", k3s_role=role)
    sections: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("["):
            sections[line.strip("[]")] = lines = []
        elif line and not line.startswith("#"):
            lines.append(line)
    return sections


@pytest.mark.parametrize("key", SHARED)
def test_a_key_for_every_node_is_one_that_agents_and_servers_accept(key: str) -> None:
    assert key in documented.AGENT


@pytest.mark.parametrize("key", SERVER)
def test_a_servers_key_is_one_that_only_servers_accept_and_of_the_kind_that_k3s_expects(key: str) -> None:
    assert key in documented.SERVER
    value = left_out(False) if key == "disable" else SERVER[key]
    assert isinstance(value, list) == (key in documented.LISTS)
    assert isinstance(SERVER[key], bool) == (key in documented.FLAGS)


def test_no_key_is_secret() -> None:
    assert not {"token", "token-file", "agent-token", "agent-token-file", "server"} & {*SHARED, *SERVER}


def test_the_stand_in_makes_no_difference_between_agents_and_servers_that_k3s_does_not_document() -> None:
    table = stand_in()
    assert len(table) > 100
    for key in (*SHARED, *SERVER):
        kind, use, server = table[key]
        assert use != "refused", key
        assert server == (key in SERVER), key
        assert kind in ("list", "commaList") or key not in documented.LISTS, key
    # Beyond the documented keys it knows a few that K3s has and does not document.
    unknown = {key for key in table if key not in documented.AGENT | documented.SERVER}
    assert unknown == {"airgap-extra-registry", "disable-agent", "disable-apiserver", "disable-controller-manager"} | {
        *("disable-etcd", "etcd-s3-session-token", "kine-tls")
    }
    assert {key for key in documented.AGENT | documented.SERVER if key not in table} == set()
    assert [key for key, (_, _, server) in table.items() if server and key in documented.AGENT] == []


def test_what_must_be_alike_on_all_servers_hangs_on_no_node() -> None:
    for key in documented.ALIKE & SERVER.keys():
        assert not re.search("hostname|du_address|du_machine|du_peers", str(SERVER[key])), key


def test_values_of_the_servers_keys_are_such_as_k3s_knows() -> None:
    assert set(left_out(False)) <= documented.PACKAGED
    assert set(left_out(False)) - set(left_out(True)) == {"metrics-server"}
    control = (ROOT / "du_infra" / "control" / "configure_k3s.py").read_text()
    assert set(re.findall(r'"flannel": "([\w-]+)" if .* else "([\w-]+)"', control)[0]) <= documented.BACKENDS
    for key, known in documented.ARGUMENTS.items():
        assert {argument.partition("=")[0] for argument in SERVER[key]} <= known


def test_every_field_of_the_kubelet_is_one_of_its_own() -> None:
    assert KUBELET.keys() == documented.KUBELET
    assert set(KUBELET["evictionHard"]) == documented.SIGNALS
    assert set(KUBELET["evictionMinimumReclaim"]) <= documented.SIGNALS


def test_a_lost_node_is_not_given_up_for_one_sign_of_life_that_was_late() -> None:
    """A kubelet renews its lease after a quarter of its duration; the servers wait for several renewals."""
    told = dict(argument.split("=") for argument in SERVER["kube-controller-manager-arg"])
    grace = int(told["node-monitor-grace-period"].removesuffix("s"))
    assert grace >= 3 * KUBELET["nodeLeaseDurationSeconds"] / 4
    assert int(KUBELET["nodeStatusUpdateFrequency"].removesuffix("s")) * 3 < grace
    tolerated = max(int(argument.rpartition("=")[2]) for argument in SERVER["kube-apiserver-arg"])
    assert grace + tolerated < 40


@pytest.mark.parametrize("role", ["server", "agent"])
def test_a_unit_is_that_of_k3ss_installer(role: str) -> None:
    found = unit(role)
    assert found.keys() == documented.UNIT.keys()
    assert found["Service"] == [*documented.UNIT["Service"], f"ExecStart=/usr/local/bin/k3s {role}"]
    assert found["Install"] == documented.UNIT["Install"]
    ours = [line for line in found["Unit"] if line not in documented.UNIT["Unit"]]
    assert [line.partition("=")[0] for line in ours] == ["Description", "After"]
    assert "network-online.target" in ours[1]


@pytest.mark.parametrize("role", ["k3s_server", "k3s_agent"])
def test_a_unit_is_read_by_systemd_and_neither_enabled_nor_started(role: str) -> None:
    (entry,) = defaults(role)[f"{role}_units"]
    assert entry == {"name": f"{role.replace('_server', '').replace('_', '-')}.service", "enabled": None, "state": None}


def test_du_nodes_account_has_no_right_over_the_cluster_but_to_see_nodes() -> None:
    objects = defaults("k3s_server", "vars")["k3s_server_objects"]
    (cluster,) = [one for one in objects if one["kind"] == "ClusterRole"]
    assert cluster["rules"] == [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list"]}]
    for one in objects:
        for rule in one.get("rules", ()):
            assert "*" not in [*rule["verbs"], *rule["resources"], *rule["apiGroups"]]
            assert not {"pods/exec", "pods/attach", "serviceaccounts", "roles", "rolebindings"} & {*rule["resources"]}


def test_du_nodes_unit_starts_neither_of_k3ss() -> None:
    told = {"du_gateway": "nginx", "du_runtime": "k3s", "du_node_program": "/x"}
    lines = rendered("du_node", "du-node.service.j2", **told).splitlines()
    assert "Wants=nginx.service" in lines
    assert "After=k3s.service k3s-agent.service nginx.service" in lines
    told["du_runtime"] = "docker"
    assert "Wants=docker.service nginx.service" in rendered("du_node", "du-node.service.j2", **told).splitlines()


def test_the_clusters_ports_are_open_to_its_nodes_its_api_to_admins_too_and_nothing_to_the_world() -> None:
    of_k3s, of_docker = firewall("k3s")["input"], firewall("docker")["input"]
    assert [rule for rule in of_docker if rule not in of_k3s] == []
    assert [rule for rule in of_k3s if rule not in of_docker] == [
        "ip saddr { 198.18.0.1/32 } tcp dport 6443 accept",
        "ip saddr { 198.18.1.3 } tcp dport { 6443, 10250, 2379-2380 } accept",
        "ip saddr { 198.18.1.3 } udp dport 8472 accept",
        "ip6 saddr { 2001:db8::/32 } tcp dport 6443 accept",
        'iifname "cni0" tcp dport { 6443, 10250 } accept',
    ]


def test_a_pod_is_reached_from_other_nodes_only_where_there_is_no_tunnel() -> None:
    assert firewall("k3s")["forward"] == firewall("docker", "host-gw")["forward"]
    assert firewall("k3s", "host-gw", peers=())["forward"] == firewall("docker")["forward"]
    there = firewall("k3s", "host-gw")["forward"]
    more = [rule for rule in there if rule not in firewall("docker")["forward"]]
    assert more == [
        'iifname "eth0" ip saddr { 198.18.1.3, 198.19.0.0/17 } ip daddr 198.19.0.0/17 accept',
        # The local cloud's host puts its own address in place of a node's.
        'iifname "eth0" ip saddr { 198.18.0.1/32 } ip daddr 198.19.0.0/17 accept',
    ]
    assert there.index(more[1]) < there.index('iifname "eth0" ct state new drop')
