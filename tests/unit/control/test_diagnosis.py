"""What the doctor finds: everything that is amiss, in words, and nothing where nothing is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from du_infra.cli.main import cli
from du_infra.cluster.state import Backup, EtcdMember, Member, Observed
from du_infra.control import examine
from du_infra.control.diagnosis import DAY, Cluster, NodeFacts, diagnose
from du_infra.control.examine import Diagnosis, region_doctor
from du_infra.engines import ssh
from du_infra.errors import Unreachable
from du_infra.fleet import Region
from du_infra.health.state import NodeReport
from tests.unit.cluster.clusters import NEW, OLD, agent, gone, one_server, server
from tests.unit.control.k3s_world import World, names, pool, region

NOW = 1_000_000.0
DISK = {"path": "/", "size": 100, "free": 50, "inodes": 100, "inodes_free": 50}
WELL = {"now": NOW, "disks": [DISK], "certificates": [], "k3s": {"program": OLD, "next": ""}}
BACKUP = Backup(NOW - 3600, verified=True)


def node(**told: Any) -> NodeFacts:
    return NodeFacts("a-1", {**WELL, **told})


def cluster(*others: Member, **more: Any) -> Cluster:
    return Cluster(one_server(*others, **{"backup": BACKUP, "now": NOW, **more}), OLD)


def found(*nodes: NodeFacts, seen: Cluster | None = None) -> list[tuple[str, str, str]]:
    return [(one.level, one.where, one.what) for one in diagnose("home", nodes, seen, NOW)]


def test_where_nothing_is_amiss_nothing_is_found() -> None:
    assert found(node(), seen=cluster(agent("a-2"))) == []
    assert found(node(k3s={})) == []


@pytest.mark.parametrize(
    ("disk", "level", "words"),
    [
        ({"free": 14}, "warning", "/ has 14% left"),
        ({"free": 4}, "bad", "/ has 4% left"),
        ({"inodes_free": 3}, "bad", "/ has 3% of inodes left"),
    ],
)
def test_disks_that_are_nearly_full(disk: dict[str, int], level: str, words: str) -> None:
    assert found(node(disks=[{**DISK, **disk}])) == [(level, "a-1", words)]


def test_a_file_system_that_counts_no_inodes_is_well() -> None:
    assert found(node(disks=[{**DISK, "inodes": 0, "inodes_free": 0}])) == []


@pytest.mark.parametrize(
    ("days", "authority", "level", "words"),
    [
        (80, False, "warning", "x.crt expires in 80 days"),
        (20, False, "bad", "x.crt expires in 20 days"),
        (-1, False, "bad", "x.crt has expired"),
        (300, True, "warning", "x.crt expires in 300 days"),
    ],
)
def test_certificates_that_end_soon(days: int, authority: bool, level: str, words: str) -> None:
    one = {"file": "x.crt", "until": NOW + days * DAY, "authority": authority}
    assert found(node(certificates=[one])) == [(level, "a-1", words)]
    assert found(node(certificates=[{**one, "until": NOW + 5000 * DAY}])) == []


def test_clocks_that_are_wrong() -> None:
    assert found(replace(node(), ahead=1.0)) == []
    assert found(replace(node(), ahead=5.0)) == [("warning", "a-1", "its clock is 5 s ahead of ours")]
    assert found(replace(node(), ahead=-90.0)) == [("bad", "a-1", "its clock is 90 s behind ours")]


def test_nodes_that_do_not_answer_come_first() -> None:
    silent = NodeFacts("z-1", why="SSH does not get through")
    assert [row[1] for row in found(replace(node(), ahead=5.0), silent)] == ["z-1", "a-1"]


def test_what_is_left_of_nodes_that_are_no_more() -> None:
    seen = cluster(
        gone(agent("a-2")),
        gone(replace(agent("a-3"), secret=True)),
        replace(gone(agent("a-4")), node="absent"),
        replace(agent("a-5"), node="absent", role=""),
        replace(gone(server("a-6", etcd=EtcdMember())), node="absent", secret=False),
    )
    words = {(row[1], row[2]) for row in found(seen=seen)}
    assert ("a-2", "has a Node, and there is no machine for it") in words
    assert ("a-4", "K3s keeps a password for it, and it has no Node") in words
    assert ("a-5", "K3s keeps a password for it, and it has no Node: it could not join by this name") in words
    assert ("bad", "a-6", "is a member of etcd, and there is no machine for it") in found(seen=seen)


def test_versions_that_do_not_fit() -> None:
    assert found(seen=cluster(agent("a-2", version=NEW)))[0] == (
        "bad",
        "a-2",
        f"K3s {NEW} is newer than the servers' {OLD}",
    )
    behind = Cluster(cluster(agent("a-2")).observed, NEW)
    assert found(seen=behind) == [("warning", "a-1, a-2", f"runs {OLD}, and fleet.yaml says {NEW}")]
    apart = one_server(server("a-2", version="v1.36.0+k3s1"), backup=BACKUP, now=NOW)
    assert ("bad", "home", f"its servers run {OLD} to v1.36.0+k3s1: two minors apart") in found(
        seen=Cluster(apart, OLD)
    )


def test_backups_that_are_missing_old_or_not_read_back() -> None:
    assert found(seen=cluster(backup=None)) == [("bad", "home", "its cluster has no backup on this machine")]
    old = Backup(NOW - 3 * DAY, verified=True)
    assert found(seen=cluster(backup=old)) == [("bad", "home", "the newest backup of its cluster is 3.0 days old")]
    unread = Backup(NOW)
    assert [row[0] for row in found(seen=cluster(backup=unread))] == ["warning"]
    outside = Observed((server("a-1", datastore="external"),), datastore="external", now=NOW)
    assert found(seen=Cluster(outside, OLD)) == []


def test_what_waits_and_what_was_changed() -> None:
    facts = replace(node(k3s={"program": OLD, "next": NEW}), drift=("/etc/x",))
    assert {row[2] for row in found(facts)} == {f"K3s {NEW} waits to take {OLD}'s place", "changed by hand: /etc/x"}
    stale = replace(cluster(), stale={"a-1": ("registries.yaml",)})
    assert found(seen=stale) == [("warning", "a-1", "K3s has not read since it changed: registries.yaml")]
    assert found(seen=cluster(api=False))[0] == ("bad", "home", "the cluster's API does not answer")


def test_each_node_is_asked_and_its_clock_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    context = region(tmp_path, world)
    pool(context, world, 3)
    one, two, three = names(3)

    def run(target: ssh.Target, argv: list[str], **_: object) -> ssh.Result:
        assert argv == ["du-node", "examine"]
        if target.name == two:
            raise Unreachable("SSH does not get through", where=two)
        if target.name == three:
            return ssh.Result(2, "", "usage: …")
        return ssh.Result(0, json.dumps({**WELL, "now": examine.time.time() - 100}), "")

    monkeypatch.setattr(ssh, "run", run)
    monkeypatch.setattr(examine, "observe_node", lambda _, n: NodeReport(n.name, n.address, drift=("/etc/x",)))
    monkeypatch.setattr(examine, "_cluster", lambda *_: None)
    said = region_doctor(context)
    assert not said.sound
    words = {one.where: one.what for one in said.findings if one.level == "bad"}
    assert words[one].startswith("its clock is 1")
    assert words[two] == "SSH does not get through"
    assert "older than this du-infra" in words[three]
    assert said.to_json()["findings"][0].keys() == {"level", "where", "what", "todo"}


@pytest.mark.parametrize(("free", "code"), [(50, 0), (10, 0), (1, 6)])
def test_the_exit_code_says_whether_something_is_bad(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, code: int
) -> None:
    world = World()
    region(tmp_path, world)
    rows = diagnose("home", [node(disks=[{**DISK, "free": free}])], None, NOW)
    monkeypatch.setattr(Region, "doctor", lambda _: Diagnosis("home", ("a-1",), tuple(rows)))
    asked = ["region", "doctor", "home", "--fleet", str(tmp_path / "fleet.yaml")]
    said = CliRunner().invoke(cli, asked)
    assert said.exit_code == code
    assert ("nothing is amiss" if free == 50 else f"{free}% left") in said.output
    told = json.loads(CliRunner().invoke(cli, [*asked, "--output", "json"]).output)
    assert told["sound"] == (code == 0)
