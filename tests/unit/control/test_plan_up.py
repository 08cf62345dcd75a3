"""`region plan` changes nothing, and machines that cannot be are refused before anything is made."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import du_infra
from du_infra.control.context import RegionContext
from du_infra.control.plan_up import plan_up
from du_infra.control.serve import prepare
from du_infra.errors import SpecError
from du_infra.pool.room import Room, check_size
from du_infra.pool.state import Network
from du_infra.progress import silent
from du_infra.spec import Size

FLEET = "fleet: demo\nregions:\n  home: {provider: lxd, pool: {nodes: 2, size: SIZE}}\nservices: {}\n"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was made on a machine of 2 CPUs and almost 8 GiB that has no instance yet."""
    done: list[str] = []
    provider = SimpleNamespace(
        connect=lambda: None,
        prepare=lambda report: done.append("cloud"),
        machines=list,
        network=lambda: Network("198.18.0.0/16", "198.18.0.1", "198.18.1.1", "198.18.1.60"),
        registries=list,
        room=lambda: Room(2, 7900),
    )
    monkeypatch.setattr("du_infra.control.context.provider_for", lambda *given: provider)
    return done


def region(folder: Path, size: str = "1c1g") -> RegionContext:
    (folder / "fleet.yaml").write_text(FLEET.replace("SIZE", size))
    return RegionContext(du_infra.load(folder / "fleet.yaml").spec, "home", folder)


@pytest.mark.usefixtures("made")
def test_a_plan_in_a_fresh_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    plan = plan_up(region(tmp_path))
    created = [action.target for action in plan.actions if action.kind == "create"]
    assert created == ["demo-home-1", "demo-home-2"]
    assert [path.name for path in tmp_path.iterdir()] == ["fleet.yaml"]


def test_a_plan_where_there_is_a_state_goes_by_it(tmp_path: Path, made: list[str]) -> None:
    context = region(tmp_path)
    owner = context.store.owner()
    assert plan_up(context).actions
    assert (context.store.owner(), made) == (owner, [])


@pytest.mark.parametrize("size", ["64c1g", "1c512g"])
def test_machines_larger_than_there_can_be_are_refused_at_plan_and_up(
    tmp_path: Path, made: list[str], size: str
) -> None:
    context = region(tmp_path, size)
    for work in (plan_up, lambda one: prepare(one, silent, live=False)):
        with pytest.raises(SpecError, match=r"is more than there is: 2 CPU\(s\) and 8 GiB") as caught:
            work(context)
        assert caught.value.where == "regions.home.pool.size"
    assert made == []


@pytest.mark.parametrize(("size", "most"), [("64c1g", "2c1g"), ("64c512g", "2c8g"), ("1c9g", "1c8g")])
def test_the_error_says_what_can_be_had(size: str, most: str) -> None:
    with pytest.raises(SpecError) as caught:
        check_size("home", Size(size), Room(2, 7900))
    assert caught.value.todo.startswith(f"{most} is the most")
    check_size("home", Size(most), Room(2, 7900))
    check_size("home", Size(size), None)
