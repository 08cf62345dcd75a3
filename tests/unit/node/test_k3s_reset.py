"""etcd on this server goes on alone, with its own data or a snapshot's, whoever is killed on the way."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from du_node import places
from du_node.errors import NodeError
from du_node.k3s import archive, files, join, move, reset, restore
from tests.unit.node import k3s_server
from tests.unit.node.k3s_bed import TOKEN, Machine
from tests.unit.node.k3s_bed import machine as machine

SERVER = {"role": "server", "server": "https://198.18.1.2:6443", "token": TOKEN, "seconds": 5}


class Cut(BaseException):
    """du-node dies here."""


@contextmanager
def dying_at(monkeypatch: pytest.MonkeyPatch, module: ModuleType, where: str, *, late: bool) -> Iterator[None]:
    """What is done in the block dies before, or ``late`` right after, ``module`` calls ``where``."""
    target, _, name = where.rpartition(".")
    owner = getattr(module, target) if target else module
    real: Callable[..., Any] = getattr(owner, name)

    def cut(*given: Any, **more: Any) -> None:
        if late:
            real(*given, **more)
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, cut)
        with pytest.raises(Cut):
            yield


@pytest.fixture
def alone(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A server that joined another, and whose etcd has lost its majority; it has one again when K3s starts alone."""
    join.join(join.order_of(SERVER), lambda _: None)
    begun()
    machine.server.active, machine.server.comes_up = "activating", None

    def members() -> dict[str, Any]:
        return {"members": [] if machine.server.active == "active" else None, "healthy": True}

    monkeypatch.setattr(reset, "etcd", members)
    return machine


def home() -> Path:
    return Path(files.DATA, "server")


def begun() -> None:
    (home() / "db/etcd/member/wal").mkdir(parents=True, exist_ok=True)


def done(machine: Machine) -> tuple[bool, list[str]]:
    told: list[str] = []
    machine.server.comes_up = 1
    return reset.reset(5, told.append), told


def test_its_etcd_forgets_the_others_and_k3s_runs_on_it(alone: Machine) -> None:
    assert done(alone) == (True, ["K3s stops, and its etcd forgets all other members", "K3s starts"])
    assert alone.resets == [["server", "--cluster-reset"]]
    assert json.loads(Path(files.CONFIG).read_text()) == {"token": TOKEN, "cluster-init": True}
    assert (alone.server.active, alone.server.enabled) == ("active", True)
    assert 0 <= (move.moved_s() or 0) < 5, "whoever listened before begins anew"
    assert done(alone) == (False, [])
    assert alone.resets == [["server", "--cluster-reset"]]


@pytest.mark.parametrize("where", ["unit.stop", "files.stand_alone", "forget_others", "plain.write", "join.start"])
@pytest.mark.parametrize("late", [False, True])
def test_killed_anywhere_it_goes_on(alone: Machine, monkeypatch: pytest.MonkeyPatch, where: str, late: bool) -> None:
    with dying_at(monkeypatch, reset, where, late=late):
        done(alone)
    done(alone)
    assert (alone.server.active, alone.server.enabled) == ("active", True)
    assert 1 <= len(alone.resets) <= 2
    assert done(alone) == (False, [])


def test_a_start_that_takes_too_long_is_waited_for_again_and_nothing_is_reset_twice(alone: Machine) -> None:
    with pytest.raises(NodeError, match="K3s has not come up"):
        reset.reset(0, lambda _: None)
    alone.server.active = "inactive"
    assert done(alone) == (True, ["K3s starts"])
    assert len(alone.resets) == 1


def test_one_that_was_reset_long_ago_and_has_lost_its_majority_again_is_reset_again(
    alone: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NodeError):
        reset.reset(0, lambda _: None)
    reset.flag().unlink()  # K3s started after all, others joined and were lost
    Path(reset.NOTE).write_text(json.dumps({"at": 1.0}))
    assert done(alone)[0]
    assert len(alone.resets) == 2


def test_a_reset_that_fails_says_why_and_leaves_k3s_off(alone: Machine) -> None:
    alone.ends = 1
    alone.units[reset.UNIT].says = ['level=fatal msg="Error: listen tcp 127.0.0.1:2380: bind: address already in use"']
    with pytest.raises(NodeError, match="it ended with 1: Error: listen tcp") as caught:
        done(alone)
    assert caught.value.kind == "tool"
    assert (alone.server.active, alone.server.enabled) == ("inactive", False)
    alone.ends = None
    with pytest.raises(NodeError, match="has not come to its end within 5 s"):
        done(alone)
    alone.ends = 0
    assert done(alone)[0]


def test_where_the_data_is_not_in_etcd_it_is_refused(machine: Machine) -> None:
    with pytest.raises(NodeError, match="no server whose data is in etcd"):
        reset.reset(5, lambda _: None)
    join.join(join.order_of({"role": "server"}), lambda _: None)
    with pytest.raises(NodeError, match="no server whose data is in etcd"):
        reset.reset(5, lambda _: None)


def test_one_that_joins_as_a_new_member_has_nothing_left_of_an_old_one(machine: Machine) -> None:
    begun()
    order = {**SERVER, "fresh": True}
    assert join.join(join.order_of(order), lambda _: None)
    assert not files.has_etcd()
    begun()
    assert not join.join(join.order_of(order), lambda _: None), "it runs"
    assert files.has_etcd()
    with pytest.raises(NodeError, match="fresh is for a server that joins another"):
        join.order_of({"role": "server", "fresh": True})


@pytest.fixture
def saved(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A backup of a server on etcd, on another machine."""
    monkeypatch.setattr(places, "STATE", str(tmp_path / "du-node"))
    lost = tmp_path / "lost"
    k3s_server.fill(lost).unlink()
    content = bytes(16) + bytes.fromhex("edda0ced") + b"what etcd keeps"
    (lost / archive.SNAPSHOT).write_bytes(content + hashlib.sha256(content).digest())
    parts = {str(p.relative_to(lost)): p for pattern in archive.KEPT for p in lost.glob(pattern)}
    out = io.BytesIO()
    archive.write(
        out, {"node": "demo-home-1", "datastore": "etcd"}, {archive.SNAPSHOT: lost / archive.SNAPSHOT, **parts}
    )
    return out.getvalue()


def restored(saved: bytes) -> tuple[bool, list[str]]:
    told: list[str] = []
    return restore.restore(io.BytesIO(saved), told.append), told


def test_a_snapshot_becomes_the_etcd_of_this_server_alone(machine: Machine, saved: bytes) -> None:
    assert restored(saved) == (True, ["the backup's files are laid into their places", "K3s starts as the server"])
    snapshot = home() / "db/snapshot"
    assert machine.resets == [["server", "--cluster-reset", "--cluster-reset-restore-path", str(snapshot)]]
    assert not snapshot.exists()
    assert json.loads(Path(files.CONFIG).read_text()) == {"token": k3s_server.TOKEN, "cluster-init": True}
    assert (files.datastore(), machine.server.active, machine.server.enabled) == ("etcd", "active", True)
    assert (home() / "tls/server-ca.key").read_text() == "the content of tls/server-ca.key"
    assert restored(saved) == (False, [])


@pytest.mark.parametrize("where", ["_lay", "files.set_up", "reset.forget_others", "whole.write", "join.started"])
@pytest.mark.parametrize("late", [False, True])
def test_a_restore_that_is_killed_anywhere_goes_on(
    machine: Machine, saved: bytes, monkeypatch: pytest.MonkeyPatch, where: str, late: bool
) -> None:
    with dying_at(monkeypatch, restore, where, late=late):
        restored(saved)
    restored(saved)
    assert (files.role(), files.datastore(), machine.server.active) == ("server", "etcd", "active")
    assert restored(saved) == (False, [])


def test_a_snapshot_that_k3s_does_not_take_is_an_error_and_nothing_starts(machine: Machine, saved: bytes) -> None:
    machine.ends = 1
    with pytest.raises(NodeError, match="it ended with 1"):
        restored(saved)
    assert (machine.server.active, machine.server.enabled) == ("inactive", False)
    machine.ends = 0
    assert restored(saved)[0]
