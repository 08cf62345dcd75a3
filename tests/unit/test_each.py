"""Work on many nodes at once: in order, to the end, and over at Ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from du_infra.parallel import each, early

INTERRUPTED = """
import time
from du_infra.parallel import each
print("at work", flush=True)
each(lambda seconds: time.sleep(seconds), [60, 60])
"""


def test_results_come_in_the_order_of_the_items() -> None:
    assert each(lambda n: time.sleep((40 - n) / 1000) or n, range(40)) == list(range(40))
    assert each(str, []) == []


def test_not_more_than_sixteen_are_worked_on_at_once() -> None:
    lock, at_work, most = threading.Lock(), 0, 0

    def work(item: int) -> None:
        nonlocal at_work, most
        with lock:
            at_work += 1
            most = max(most, at_work)
        time.sleep(0.02)
        with lock:
            at_work -= 1

    each(work, range(40))
    assert most == 16


def test_every_item_is_worked_on_and_then_the_first_error_is_raised() -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item in (1, 2):
            raise ValueError(f"no {item}")
        time.sleep(0.05)
        done.append(item)

    with pytest.raises(ValueError, match="no 1"):
        each(work, range(5))
    assert sorted(done) == [0, 3, 4]


def test_at_ctrl_c_nobody_waits_for_the_work_to_end() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout and process.stdout.readline() == b"at work\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) != 0


def test_when_one_is_enough_nobody_is_waited_for_long() -> None:
    gate = threading.Event()
    work = {"quick": lambda: "well", "stuck": lambda: gate.wait(60) and "late", "wrong": lambda: "amiss"}
    start = time.monotonic()
    found = early(lambda name: work[name](), ["stuck", "quick", "wrong"], lambda said: said == "well", lambda late: 0.3)
    assert found[:2] == [None, "well"]
    assert time.monotonic() - start < 30
    gate.set()


def test_without_one_that_is_enough_all_are_waited_for() -> None:
    slow = lambda seconds: time.sleep(seconds) or seconds  # noqa: E731
    assert early(slow, [0.2, 0.0], lambda said: False, lambda late: 0.0) == [0.2, 0.0]
    assert early(slow, [], lambda said: True, lambda late: 0.0) == []


def test_an_error_of_the_work_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        early(lambda number: 1 / number, [0, 1], lambda said: True, lambda late: 60)
