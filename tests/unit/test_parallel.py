"""How the workers of `make test` share the tests."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from pathlib import Path

import pytest

from tests import parallel
from tests.parallel import Lanes, piece, turn


@pytest.fixture(autouse=True)
def _locks_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "LOCKS", tmp_path / "locks")


def test_a_file_is_one_piece_and_one_whose_node_is_made_for_each_gateway_is_one_for_each() -> None:
    assert piece("tests/unit/node/test_table.py::test_x[nginx]") == "tests/unit/node/test_table.py"
    assert piece("tests/region/test_release.py::test_x[batch 1:-1-abort]") == "tests/region/test_release.py"
    assert piece("tests/region/test_gateways.py::test_x[envoy]") == "tests/region/test_gateways.py envoy"
    assert piece("tests/region/test_runtimes.py::test_x[docker-a/b-5-image]") == "tests/region/test_runtimes.py docker"
    assert (
        piece("tests/faults/test_switches.py::test_x[containerd-envoy]")
        == "tests/faults/test_switches.py containerd-envoy"
    )


def test_what_takes_minutes_is_begun_first() -> None:
    lanes = Lanes.__new__(Lanes)
    names = ("tests/region/test_gateways.py envoy", "tests/region/test_pool.py", "tests/region/test_rounds.py")
    lanes.workqueue = OrderedDict((name, {}) for name in names)
    assert lanes._suiting(object()) == [*names[:0:-1], names[0]]
    assert all((parallel.ROOT / name).is_file() for name in parallel._FIRST)


def test_one_worker_begins_without_nodes_and_goes_on_with_what_is_left() -> None:
    lanes = Lanes.__new__(Lanes)
    units, regions = (
        ["tests/unit/test_clocks.py"],
        ["tests/region/test_release.py", "tests/region/test_gateways.py envoy"],
    )
    lanes.workqueue = OrderedDict((name, {}) for name in (*regions, *units))
    lanes._beside = first = object()
    assert lanes._suiting(first) == units
    assert lanes._suiting(object()) == regions
    lanes.workqueue.popitem()
    assert lanes._suiting(first) == []


def test_who_is_alone_waits_for_the_others_and_lets_nobody_in_before_it() -> None:
    told: list[str] = []
    goes_on, alone_waits = threading.Event(), threading.Event()

    def work(name: str, alone: bool) -> None:
        if alone:
            alone_waits.set()
        with turn(alone=alone):
            told.append(name)
            if name == "first":
                goes_on.wait(10)
            told.append(name)

    first = threading.Thread(target=work, args=("first", False))
    alone = threading.Thread(target=work, args=("alone", True))
    later = [threading.Thread(target=work, args=("later", False)) for _ in range(2)]
    first.start()
    while told != ["first"]:
        time.sleep(0.001)
    alone.start()
    alone_waits.wait(10)
    time.sleep(0.2)
    for thread in later:
        thread.start()
    time.sleep(0.2)
    assert told == ["first"]
    goes_on.set()
    for thread in (first, alone, *later):
        thread.join(10)
    assert told[:4] == ["first", "first", "alone", "alone"]
    assert told[4:].count("later") == 4
