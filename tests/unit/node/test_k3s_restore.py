"""A new node takes a lost server's place: the backup's files, its token, and nothing of what was here before."""

from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import pytest

from du_node import places
from du_node.errors import NodeError
from du_node.k3s import backup, files, join, restore
from tests.unit.node import k3s_server
from tests.unit.node.k3s_bed import TOKEN, Machine
from tests.unit.node.k3s_bed import machine as machine


@pytest.fixture
def archive(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A backup of a server on another machine; this one has never been anything."""
    monkeypatch.setattr(places, "STATE", str(tmp_path / "du-node"))
    here = files.DATA
    monkeypatch.setattr(files, "DATA", str(tmp_path / "lost"))
    join.join(join.order_of({"role": "server"}), lambda _: None)
    k3s_server.fill(Path(files.DATA, "server"))
    out = io.BytesIO()
    backup.backup(out)
    files.forget()
    machine.server.active, machine.server.enabled, machine.server.starts = "inactive", False, 0
    monkeypatch.setattr(files, "DATA", here)
    return out.getvalue()


def done(archive: bytes) -> tuple[bool, list[str]]:
    told: list[str] = []
    return restore.restore(io.BytesIO(archive), told.append), told


def home() -> Path:
    return Path(files.DATA, "server")


def test_it_becomes_the_server_with_the_same_data_authorities_and_token(machine: Machine, archive: bytes) -> None:
    k3s_server.put(home() / "manifests/du-infra.yaml", "ours")
    assert done(archive)[0]
    assert (home() / "tls/server-ca.key").read_text() == "the content of tls/server-ca.key"
    assert (home() / "db/state.db").stat().st_size > 0
    assert (home() / "manifests/du-infra.yaml").exists(), "the role's files stay"
    assert json.loads(Path(files.CONFIG).read_text()) == {"token": k3s_server.TOKEN}
    assert stat.S_IMODE(Path(files.CONFIG).stat().st_mode) == 0o600
    assert (files.role(), machine.server.active, machine.server.enabled) == ("server", "active", True)
    assert not home().with_name("server.restored").exists()


def test_what_another_cluster_left_here_goes(machine: Machine, archive: bytes) -> None:
    k3s_server.put(home() / "db/etcd/member", "another's")
    k3s_server.put(home() / "tls/dynamic-cert.json", "another's")
    k3s_server.put(home() / "agent-token", "another's")
    done(archive)
    for left in ("db/etcd", "tls/dynamic-cert.json", "agent-token"):
        assert not (home() / left).exists(), left


def test_once_it_has_started_nothing_is_laid_down_again(machine: Machine, archive: bytes) -> None:
    done(archive)
    written = home() / "db/state.db"
    written.write_text("what was written since")
    assert done(archive) == (False, [])
    machine.server.active = "failed"
    assert done(archive) == (True, ["K3s starts as the server"])
    assert written.read_text() == "what was written since"


def test_an_agent_that_takes_the_place_is_one_no_more(machine: Machine, archive: bytes) -> None:
    join.join(join.order_of({"role": "agent", "server": "https://h:6443", "token": TOKEN}), lambda _: None)
    done(archive)
    assert (files.role(), machine.agent.active, machine.agent.enabled) == ("server", "inactive", False)


def test_an_archive_that_is_not_whole_touches_nothing(machine: Machine, archive: bytes) -> None:
    join.join(join.order_of({"role": "agent", "server": "https://h:6443", "token": TOKEN}), lambda _: None)
    with pytest.raises(NodeError) as caught:
        done(archive[: len(archive) // 2])
    assert caught.value.kind == "bad-wanted"
    assert (files.role(), machine.agent.active) == ("agent", "active")
    assert not home().exists()


def test_killed_while_it_is_laid_down_it_is_set_up_as_nothing_and_goes_on(
    machine: Machine, archive: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(BaseException):
        pass

    def cut(*_: object, **__: object) -> None:
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(files, "set_up", cut)
        with pytest.raises(Cut):
            done(archive)
    assert (files.role(), machine.server.starts) == ("", 0)
    assert done(archive)[0]
    assert files.role() == "server"


def test_an_agent_that_is_told_of_another_server_goes_by_it(machine: Machine) -> None:
    order = {"role": "agent", "server": "https://198.18.1.2:6443", "token": TOKEN}
    join.join(join.order_of(order), lambda _: None)
    assert not join.join(join.order_of(order), lambda _: None)
    assert join.join(join.order_of({**order, "server": "https://198.18.1.9:6443"}), lambda _: None)
    assert (files.server(), machine.agent.starts) == ("https://198.18.1.9:6443", 2)
