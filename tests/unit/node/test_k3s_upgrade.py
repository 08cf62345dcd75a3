"""Another K3s on a node: in its place in one step, and back again when it does not come up, whoever dies on the way."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from du_node.command import Done
from du_node.errors import NodeError
from du_node.k3s import files, join, unit, upgrade
from tests.unit.node.k3s_bed import Machine
from tests.unit.node.k3s_bed import machine as machine

OLD, NEW = "v1.34.4+k3s1", "v1.35.2+k3s1"
PLACES = ("PROGRAM", "NEXT", "BEFORE")


@pytest.fixture
def server(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A server that runs the old one, beside the new one. A program says the version that is its text."""
    for number, place in enumerate(PLACES):
        path = tmp_path / f"lib{number}" / "k3s"
        path.parent.mkdir()
        monkeypatch.setattr(upgrade, place, str(path))
    Path(upgrade.PROGRAM).write_text(OLD)
    Path(upgrade.NEXT).write_text(NEW)

    def run(argv: Sequence[str], **_: object) -> Done:
        assert argv[1:] == ["--version"]
        path = Path(argv[0])
        if not path.exists():
            raise NodeError("tool", "not installed")
        return Done(0, f"k3s version {path.read_text()} (0123abcd)\n", "")

    monkeypatch.setattr(upgrade, "run", run)
    join.join(join.order_of({"role": "server"}), lambda _: None)
    monkeypatch.setattr(unit, "seconds_up", lambda _: (1000.0, 1000.0))
    return machine


def to(version: str = NEW, seconds: int = 1) -> tuple[bool, list[str]]:
    told: list[str] = []
    return upgrade.upgrade({"version": version, "seconds": seconds}, told.append), told


def there() -> dict[str, str]:
    found = {place: Path(getattr(upgrade, place)) for place in PLACES}
    return {place: path.read_text() for place, path in found.items() if path.exists()}


def test_the_new_one_is_in_its_place_and_runs(server: Machine) -> None:
    assert to() == (True, [f"K3s starts again as {NEW}"])
    assert (there(), server.server.starts, server.server.active) == ({"PROGRAM": NEW}, 2, "active")


def test_again_it_is_not_started_anew(server: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    to()
    monkeypatch.setattr(unit, "seconds_up", lambda _: (0.0, -1.0))
    assert to() == (False, [])
    assert server.server.starts == 2


def test_one_that_was_cut_off_before_it_started_goes_on(server: Machine) -> None:
    """The program is in its place, and what runs was started before that."""
    upgrade._swap(NEW)
    assert there() == {"PROGRAM": NEW, "BEFORE": OLD}
    assert to()[0]
    assert (there(), server.server.starts) == ({"PROGRAM": NEW}, 2)


def test_where_it_does_not_come_up_the_old_one_goes_back_and_runs(
    server: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = unit.start

    def start(role: files.Role, *, again: bool = False) -> None:
        begin(role, again=again)
        server.server.comes_up = 1 if there()["PROGRAM"] == OLD else None

    monkeypatch.setattr(unit, "start", start)
    with pytest.raises(NodeError, match=re.escape(f"{OLD} is back in its place and runs")) as caught:
        to()
    assert caught.value.kind == "not-ready"
    assert "K3s has not come up within 1 s" in caught.value.what
    assert (there(), server.server.active) == ({"PROGRAM": OLD, "NEXT": NEW}, "active")


def test_where_neither_comes_up_both_are_named(server: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    server.server.comes_up = None
    with pytest.raises(
        NodeError, match=re.escape(f"K3s {NEW} does not come up here: K3s has not come up within 1 s; and {OLD}")
    ):
        to()
    assert there() == {"PROGRAM": OLD, "NEXT": NEW}


def test_one_that_ends_again_and_again_is_not_waited_for(server: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    server.server.comes_up, server.server.falls = None, 3
    with pytest.raises(NodeError, match="K3s has ended 3 times"):
        to(seconds=2)
    assert there()["PROGRAM"] == OLD


def test_what_does_not_wait_on_the_node_is_refused_and_nothing_is_touched(server: Machine) -> None:
    with pytest.raises(NodeError, match=r"K3s v1.36.0\+k3s1 does not wait on this node, but v1.35.2") as caught:
        to("v1.36.0+k3s1")
    assert caught.value.kind == "refused"
    assert (there(), server.server.starts) == ({"PROGRAM": OLD, "NEXT": NEW}, 1)


def test_a_node_without_k3s_is_refused(server: Machine) -> None:
    files.forget()
    with pytest.raises(NodeError, match="not set up"):
        to()


@pytest.mark.parametrize("steps", range(6))
def test_killed_between_any_two_steps_a_program_is_there_and_it_goes_on(
    server: Machine, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    class Cut(BaseException):
        pass

    left = [steps]

    def counted(plain: object) -> object:
        def step(*words: object, **more: object) -> object:
            if left[0] == 0:
                raise Cut
            left[0] -= 1
            return plain(*words, **more)  # type: ignore[operator]

        return step

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", counted(os.link))
        patch.setattr(Path, "replace", counted(Path.replace))
        patch.setattr(Path, "unlink", counted(Path.unlink))
        patch.setattr(unit, "start", counted(unit.start))
        with pytest.raises(Cut):
            to()
            raise Cut
    assert there()["PROGRAM"] in (OLD, NEW)
    assert to()[0] or there()["PROGRAM"] == NEW
    assert there()["PROGRAM"] == NEW
