"""What Terraform's hooks do: they take turns, write down what they did, and leave the region whole when they fail."""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

import du_infra
from du_infra.control import hooks, leave, reconcile
from du_infra.control.context import RegionContext
from du_infra.control.lock import locked
from du_infra.control.node.leave import leave_by_hook
from du_infra.control.reconcile import reconcile_by_hook
from du_infra.engines.terraform.rootmodule import VARIABLES_FILE, write_variables
from du_infra.errors import Busy, DuError, EngineFailed, Refused, SpecError, Unreachable
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Machine, Node
from du_infra.progress import Event, silent

FLEET = "fleet: demo\nregions:\n  home: {provider: lxd, pool: {nodes: 2, max: 3}}\nservices: {}\n"
VIP = "198.18.1.1"


@dataclass
class Cloud:
    """Machines of the region, and what was done to them."""

    owner: str
    numbers: set[int]
    fails: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    drained: set[str] = field(default_factory=set)

    def connect(self) -> None:
        pass

    def start(self, name: str) -> None:
        self.done.append(f"start {name}")

    def machines(self) -> list[Machine]:
        return [
            Machine(_name(n), "running", (f"198.18.1.1{n}", VIP), self.owner, "demo", "home")
            for n in sorted(self.numbers)
        ]

    def observe(self, context: RegionContext, nodes: Sequence[Node]) -> list[NodeReport]:
        there = {_name(number) for number in self.numbers}
        return [
            NodeReport(
                node.name,
                node.address,
                reachable=node.name in there,
                ready=True,
                draining=node.name in self.drained,
            )
            for node in nodes
        ]

    def act(self, what: str) -> int:
        self.done.append(what)
        if what in self.fails:
            raise EngineFailed("says no", where=what, detail="its own words", todo="ask again")
        return 0

    def drain(self, context: RegionContext, node: Node, report: object, cut_after: float) -> int:
        return self.act(f"drain {node.name}")

    def undrain(self, context: RegionContext, node: Node, report: object) -> None:
        self.act(f"undrain {node.name}")

    def configure(self, context: RegionContext, record: PoolRecord, reports: object, report: object) -> int:
        return self.act(f"configure {' '.join(node.name for node in record.nodes)}")

    def stop(self, context: RegionContext, node: Node, report: object) -> None:
        self.act(f"stop {node.name}")

    def serve(self, context: RegionContext, record: PoolRecord, resolved: object, report: object) -> object:
        self.act(f"serve {' '.join(node.name for node in record.staying)}")
        return SimpleNamespace(record=record, deployed=SimpleNamespace(configs=frozenset()))


def _name(number: int) -> str:
    return f"demo-home-{number}"


def _asked(*numbers: int) -> dict[str, Any]:
    return {_name(n): {"size": "2c2g", "role": "worker", "address": f"198.18.1.1{n}"} for n in numbers}


@pytest.fixture
def region(tmp_path: Path) -> RegionContext:
    (tmp_path / "prod.yaml").write_text(FLEET)
    context = du_infra.load(tmp_path / "prod.yaml").region("home")._context()
    nodes = tuple(Node(_name(n), "1c1g", f"198.18.1.1{n}", joined=True) for n in (1, 2))
    context.state.mkdir()
    context.store.save_pool("home", PoolRecord(VIP, 2, nodes))
    context.terraform.mkdir(parents=True)
    write_variables(context.terraform, {"nodes": {}, "labels": {"mine": "kept"}})
    return context


@pytest.fixture
def cloud(region: RegionContext) -> Iterator[Cloud]:
    world = Cloud(region.store.owner(), {1, 2})
    with (
        patch.multiple(
            leave,
            observe_nodes=world.observe,
            drain_if_there=world.drain,
            undrain=world.undrain,
            configure_nodes=world.configure,
            stop_services=world.stop,
            stand_back=lambda *_: None,
            await_relief=lambda *_: None,
        ),
        patch("du_infra.control.node.leave.observe_nodes", world.observe),
        patch.multiple(reconcile, prepare=lambda *_, live: None, serve=world.serve, verify_region=lambda *_: "c0ffee"),
        patch("du_infra.control.context.provider_for", return_value=world),
    ):
        yield world


def _states(context: RegionContext) -> dict[str, str]:
    return {node.name: node.state for node in context.store.pool("home").nodes}


def _log(context: RegionContext) -> str:
    return (context.home / "hooks.log").read_text()


class TestLeave:
    def test_a_node_is_taken_out_and_its_record_waits_for_its_machine_to_go(
        self, region: RegionContext, cloud: Cloud
    ) -> None:
        result = leave_by_hook(region, _name(1), silent)
        assert cloud.done == ["drain demo-home-1", "configure demo-home-2", "stop demo-home-1"]
        assert (result.done, result.nodes) == ("left", (_name(2),))
        assert _states(region) == {_name(1): "leaving", _name(2): ""}
        assert region.wish.nodes == 1
        assert "leave demo-home-1: done" in _log(region)

    def test_again_after_a_kill_it_goes_on(self, region: RegionContext, cloud: Cloud) -> None:
        leave_by_hook(region, _name(1), silent)
        again = leave_by_hook(region, _name(1), silent)
        assert (again.done, region.wish.nodes) == ("left", 1)

    def test_two_leave_one_after_the_other_while_the_first_ones_machine_is_going(
        self, region: RegionContext, cloud: Cloud
    ) -> None:
        cloud.numbers = {1, 2, 3}
        reconcile_by_hook(region, json.dumps(_asked(1, 2, 3)), silent)
        leave_by_hook(region, _name(1), silent)
        cloud.done.clear()
        cloud.drained = {_name(1)}
        leave_by_hook(region, _name(3), silent)
        assert cloud.done == ["drain demo-home-3", "configure demo-home-2", "stop demo-home-3"]
        assert region.wish.nodes == 1

    def test_who_has_left_or_was_never_there_is_no_error(self, region: RegionContext, cloud: Cloud) -> None:
        assert leave_by_hook(region, _name(9), silent).done == "has left"
        cloud.numbers = {2}
        assert leave_by_hook(region, _name(1), silent).done == "is gone"
        assert cloud.done == []
        assert _states(region) == {_name(2): ""}

    def test_of_a_region_that_is_gone_nobody_leaves(self, tmp_path: Path) -> None:
        (tmp_path / "fleet.yaml").write_text(FLEET)
        context = du_infra.load(tmp_path / "fleet.yaml").region("home")._context()
        assert leave_by_hook(context, _name(1), silent).done == "has left"
        assert [one.name for one in tmp_path.iterdir()] == ["fleet.yaml"]

    def test_the_last_node_is_refused_and_nothing_is_done(self, region: RegionContext, cloud: Cloud) -> None:
        leave_by_hook(region, _name(1), silent)
        cloud.done.clear()
        with pytest.raises(SpecError, match="at least 1 node"):
            leave_by_hook(region, _name(2), silent)
        assert cloud.done == []
        assert _states(region) == {_name(1): "leaving", _name(2): ""}
        assert "failed: " in _log(region)
        assert "region down home" in _log(region)

    @pytest.mark.parametrize("fails", ["drain demo-home-1", "configure demo-home-2"])
    def test_a_node_that_fails_to_leave_serves_on(self, region: RegionContext, cloud: Cloud, fails: str) -> None:
        cloud.fails = {fails}
        with pytest.raises(EngineFailed):
            leave_by_hook(region, _name(1), silent)
        assert cloud.done[-1] == "undrain demo-home-1"
        assert _states(region) == {_name(1): "", _name(2): ""}
        assert region.wish.nodes == 2
        assert "its own words\nask again\n" in _log(region)

    def test_where_it_cannot_be_given_requests_again_that_is_left_to_the_next(
        self, region: RegionContext, cloud: Cloud
    ) -> None:
        cloud.fails = {"drain demo-home-1", "undrain demo-home-1"}
        events: list[Event] = []
        with pytest.raises(EngineFailed, match="says no"):
            leave_by_hook(region, _name(1), events.append)
        assert _states(region) == {_name(1): "returning", _name(2): ""}
        assert "cannot be given requests again now" in next(one.text for one in events if one.kind == "warning")

    def test_a_node_that_was_leaving_before_is_on_its_way_out_still(self, region: RegionContext, cloud: Cloud) -> None:
        leave_by_hook(region, _name(1), silent)
        cloud.fails = {"drain demo-home-1"}
        with pytest.raises(EngineFailed):
            leave_by_hook(region, _name(1), silent)
        assert _states(region)[_name(1)] == "leaving"

    def test_another_du_infra_at_work_is_told_of_at_once(self, region: RegionContext, cloud: Cloud) -> None:
        with locked(region, silent), pytest.raises(Busy, match=f"process {os.getpid()}"):
            leave_by_hook(region, _name(1), silent)
        assert cloud.done == []


class TestReconcile:
    def test_a_new_machine_joins_and_is_what_is_wanted_from_now_on(self, region: RegionContext, cloud: Cloud) -> None:
        cloud.numbers = {1, 2, 4}
        result = reconcile_by_hook(region, json.dumps(_asked(1, 2, 4)), silent)
        assert (result.joined, result.gone, result.config) == ((_name(4),), (), "c0ffee")
        assert cloud.done == ["serve demo-home-1 demo-home-2 demo-home-4"]
        assert region.wish.nodes == 3
        assert region.store.pool("home").counter == 4
        assert "reconcile: done" in _log(region)

    def test_terraforms_next_plan_starts_from_what_it_was_asked_for(self, region: RegionContext, cloud: Cloud) -> None:
        cloud.numbers = {1, 2, 4}
        reconcile_by_hook(region, json.dumps(_asked(1, 2, 4)), silent)
        written = json.loads((region.terraform / VARIABLES_FILE).read_text())
        assert written["labels"] == {"mine": "kept"}
        assert written["nodes"] == _asked(1, 2, 4)
        assert written["hooks"] == {
            "stem": "demo-home",
            "counter": 4,
            "known": [_name(1), _name(2), _name(4)],
            "python": sys.executable,
            "fleet": "../../../../prod.yaml",
        }

    def test_who_left_is_forgotten_when_its_machine_is_gone(self, region: RegionContext, cloud: Cloud) -> None:
        leave_by_hook(region, _name(1), silent)
        cloud.numbers = {2}
        result = reconcile_by_hook(region, json.dumps(_asked(2)), silent)
        assert result.gone == (_name(1),)
        assert _states(region) == {_name(2): ""}
        assert region.wish.nodes == 1

    def test_who_left_and_is_asked_for_again_comes_back(self, region: RegionContext, cloud: Cloud) -> None:
        leave_by_hook(region, _name(1), silent)
        reconcile_by_hook(region, json.dumps(_asked(1, 2)), silent)
        assert _states(region)[_name(1)] == "returning"  # serve, which is another's matter here, takes it back
        assert region.wish.nodes == 2

    def test_more_nodes_than_the_fleet_file_allows_are_refused(self, region: RegionContext, cloud: Cloud) -> None:
        cloud.numbers = {1, 2, 3, 4}
        with pytest.raises(Refused, match="not between 1 and 3"):
            reconcile_by_hook(region, json.dumps(_asked(1, 2, 3, 4)), silent)
        assert cloud.done == []
        assert _states(region) == {_name(1): "", _name(2): ""}

    @pytest.mark.parametrize("text", ["", "[]", "{", "3"])
    def test_text_that_is_no_set_of_nodes_is_refused(self, region: RegionContext, cloud: Cloud, text: str) -> None:
        with pytest.raises(SpecError, match="is no JSON object of nodes"):
            reconcile_by_hook(region, text, silent)

    def test_a_region_that_is_not_up_is_refused_and_nothing_is_left_behind(self, tmp_path: Path) -> None:
        (tmp_path / "fleet.yaml").write_text(FLEET)
        context = du_infra.load(tmp_path / "fleet.yaml").region("home")._context()
        with pytest.raises(Refused, match="not up"):
            reconcile_by_hook(context, "{}", silent)
        assert [one.name for one in tmp_path.iterdir()] == ["fleet.yaml"]


class TestTurns:
    def test_hooks_of_one_terraform_wait_for_one_another(self, region: RegionContext) -> None:
        seen: list[str] = []
        first, entered = threading.Event(), threading.Event()

        def other() -> None:
            entered.set()
            with hooks.hooked(region, "second", silent):
                seen.append("second")

        with hooks.hooked(region, "first", silent):
            thread = threading.Thread(target=other)
            thread.start()
            entered.wait(5)
            assert not first.wait(0.3)
            seen.append("first")
        thread.join(10)
        assert seen == ["first", "second"]

    @pytest.mark.parametrize("error", [Unreachable("silent", where="x"), RuntimeError("mistake"), KeyboardInterrupt()])
    def test_however_it_ends_the_log_says_so_and_is_for_its_owner_only(
        self, region: RegionContext, error: BaseException
    ) -> None:
        events: list[Event] = []
        with pytest.raises(type(error)), hooks.hooked(region, "leave x", events.append) as report:
            report(Event("step", "leave", "drains", "x"))
            raise error
        assert [one.text for one in events] == ["drains"]
        lines = [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d  ", "", text) for text in _log(region).splitlines()]
        assert lines[:2] == ["leave x", "  · x: drains"]
        assert lines[2].startswith(f"leave x: {'failed' if isinstance(error, DuError) else 'stopped'}: ")
        assert (region.home / "hooks.log").stat().st_mode & 0o777 == 0o600

    def test_a_log_that_grew_large_is_put_aside(self, region: RegionContext) -> None:
        (region.home / "hooks.log").write_text("x" * 1_000_001)
        with hooks.hooked(region, "again", silent):
            pass
        assert _log(region).endswith("again: done\n")
        assert len((region.home / "hooks.log.1").read_text()) == 1_000_001
