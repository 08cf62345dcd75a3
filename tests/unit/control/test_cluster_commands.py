"""What the commands do with a region's cluster: access from outside, status, and who is not let go."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML

from du_infra.cli.main import cli
from du_infra.control.cluster import kubeconfig as access
from du_infra.control.cluster.kubeconfig import kubeconfig, renamed
from du_infra.control.cluster.nodes import Nodes
from du_infra.control.cluster.observe import look
from du_infra.control.cluster.status import Standing, standing, told, with_cluster
from du_infra.control.context import RegionContext
from du_infra.control.heal import _holds_data
from du_infra.control.node.remove import plan_remove, remove
from du_infra.errors import EngineFailed, Refused, Unreachable
from du_infra.health.heal import Action
from du_infra.health.state import RegionStatus
from du_infra.pool.state import Node
from du_infra.progress import silent
from tests.unit.control.k3s_world import World, names, pool, region
from tests.unit.control.test_cluster import up
from tests.unit.control.test_cluster import world as world

ONE, TWO = names(2)
SERVER = Node(ONE, "1c1g", "198.18.1.2", joined=True)
FILE = json.dumps(  # JSON is YAML
    {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "default", "cluster": {"server": "https://127.0.0.1:6443", "certificate-authority-data": "QQ=="}}
        ],
        "users": [{"name": "default", "user": {"client-certificate-data": "QQ==", "client-key-data": "Qg=="}}],
        "contexts": [{"name": "default", "context": {"cluster": "default", "user": "default"}}],
        "current-context": "default",
    }
)


@pytest.fixture
def home(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegionContext]:
    monkeypatch.setattr(Nodes, "read", lambda *_: FILE)
    return region(tmp_path, world)


def test_the_kubeconfig_names_the_server_and_the_region(home: RegionContext, world: World) -> None:
    up(home, world, 2)
    found = YAML(typ="safe").load(kubeconfig(home))
    (cluster,) = found["clusters"]
    assert cluster["name"] == found["current-context"] == found["users"][0]["name"] == "demo-home"
    assert cluster["cluster"] == {"server": "https://198.18.1.2:6443", "certificate-authority-data": "QQ=="}
    assert found["contexts"] == [{"name": "demo-home", "context": {"cluster": "demo-home", "user": "demo-home"}}]


def test_a_region_without_a_cluster_has_none(home: RegionContext, world: World, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="not up"):
        kubeconfig(home)
    pool(home, world, 1)
    with pytest.raises(Refused, match="has not come up yet"):
        kubeconfig(home)
    other = tmp_path / "other"
    other.mkdir()
    plain = region(other, world, ", gateway: nginx")
    plain = RegionContext(plain.fleet.model_copy(deep=True), "home", other)
    object.__setattr__(plain.spec, "runtime", "containerd")
    with pytest.raises(Refused, match="there is no cluster"):
        kubeconfig(plain)


@pytest.mark.parametrize("text", ["", "[1", "{}", '{"clusters": [1]}'])
def test_what_is_no_kubeconfig_is_said_so(text: str) -> None:
    with pytest.raises(EngineFailed, match="is no kubeconfig"):
        renamed(text, "demo-home", "https://198.18.1.2:6443", SERVER)


def test_a_server_that_does_not_answer_is_told_of(
    home: RegionContext, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    up(home, world, 1)

    def read(*_: object) -> str:
        raise Unreachable("does not answer", where=ONE)

    monkeypatch.setattr(Nodes, "read", read)
    with pytest.raises(Unreachable):
        access.kubeconfig(home)


def test_a_file_with_a_kubeconfig_is_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: demo\nregions: {home: {provider: lxd, runtime: k3s}}\nservices: {}\n")
    monkeypatch.setattr("du_infra.fleet.Region.kubeconfig", lambda _: "kind: Config\n")
    out = tmp_path / "config"
    out.touch(0o644)
    words = ["region", "kubeconfig", "home", "--fleet", str(tmp_path / "fleet.yaml")]
    assert CliRunner().invoke(cli, words).output == "kind: Config\n"
    done = CliRunner().invoke(cli, [*words, "--output-file", str(out)])
    assert (done.exit_code, done.output, out.read_text()) == (0, "", "kind: Config\n")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "config" in path.name] == ["config"]
    done = CliRunner().invoke(cli, [*words, "--output-file", str(tmp_path / "no" / "config")])
    assert done.exit_code != 0


def test_what_is_not_as_wanted_is_told_and_the_region_is_not_ready(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    assert standing(home, record).why == ()
    assert standing(home, record).survives.startswith("one server and an agent")
    world.hosts[TWO].service, world.hosts[TWO].why = "failed", "no room on the disk"
    found = standing(home, record)
    assert found.why == (
        f"cluster: {TWO}: start (its K3s is failed)",
        f"cluster: {TWO}: no room on the disk",
    )
    status = RegionStatus("home", "lxd", "k3s", "nginx", True, "198.18.1.1", survives="x")
    assert not with_cluster(status, found).ready
    assert with_cluster(status, Standing("y")).survives == "control plane: y"
    assert with_cluster(status, Standing("y")).ready


def test_who_is_on_the_way_out_makes_no_region_unready(home: RegionContext, world: World) -> None:
    record = up(home, world, 2)
    world.nodes[TWO] |= {"cordoned": True, "marked": True}
    seen = look(home, record, silent)
    assert told(seen, home.spec.k3s, record).why != ()
    nodes = tuple(
        n if n.name == ONE else Node(n.name, n.size, n.address, joined=True, state="leaving") for n in record.nodes
    )
    going = type(record)(record.vip, record.counter, nodes)
    assert told(seen, home.spec.k3s, going).why == ()


def test_an_order_for_the_only_server_to_go_is_refused_before_anything_is_written_down(
    home: RegionContext, world: World
) -> None:
    record = up(home, world, 2)
    for order in (
        lambda: remove(home, ONE, silent),
        lambda: plan_remove(home, ONE),
    ):
        with pytest.raises(Refused, match="the cluster's only server"):
            order()
    assert home.store.pool("home") == record
    assert world.done == []


def test_a_dead_server_is_not_replaced_and_a_dead_agent_is(home: RegionContext, world: World) -> None:
    up(home, world, 2)
    assert _holds_data(home, Action("replace", ONE, "dead"), silent)
    assert not _holds_data(home, Action("replace", TWO, "dead"), silent)
