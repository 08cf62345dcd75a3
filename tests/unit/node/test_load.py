"""What a node says of its load: from counters that stood somewhere a minute ago, and never from a guess."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from du_node import load, places

STAT = "cpu  {user} 0 {system} {idle} {wait} 0 0 {steal} 0 0\ncpu0 1 2 3\nintr 5\n"


class Machine:
    """Files in place of /proc and /var/log/du, and a clock to turn."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.files: dict[str, str] = {}
        self.log = folder / "access.log"
        self.kept = folder / "load"
        monkeypatch.setattr(places, "ACCESS_LOG", str(self.log))
        monkeypatch.setattr(load, "_KEPT", str(self.kept))
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        read = load._text
        monkeypatch.setattr(load, "_text", lambda path: self._read(path) if path[1:4] in ("pro", "sys") else read(path))
        self.cpu()

    def _read(self, path: str) -> str:
        return self.files.get(path, "")

    def cpu(self, user: int = 0, system: int = 0, idle: int = 0, wait: int = 0, steal: int = 0) -> None:
        fields = {"user": user, "system": system, "idle": idle, "wait": wait, "steal": steal}
        self.files["/proc/stat"] = STAT.format(**fields)

    def asked(self, count: int, *, ms: int = 10, address: str = "127.0.0.1:20001", status: int = 200) -> None:
        with self.log.open("a") as log:
            log.write(f"1700000000.000 hello {address} {status} {ms / 1000} {status}\n" * count)

    def later(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_nothing_is_known_before_anything_was_read(machine: Machine) -> None:
    machine.files.clear()
    assert load.load() == {}


def test_the_cpu_is_what_was_used_since_the_sample_stolen_time_included(machine: Machine) -> None:
    machine.cpu(user=1000, idle=9000)
    load.sample()
    machine.later(60)
    machine.cpu(user=2000, system=500, idle=12000, wait=1000, steal=500)
    assert load.load()["cpu_percent"] == pytest.approx(100 * 2000 / 6000, abs=0.1)


def test_the_sample_nearest_to_a_minute_ago_counts(machine: Machine) -> None:
    machine.cpu(idle=1)
    for step in range(20):
        machine.cpu(user=1 + 100 * step * (step > 10), idle=1000 * (step + 1))
        load.sample()
        machine.later(10)
    assert len(machine.kept.read_text().splitlines()) <= 8
    machine.cpu(user=1 + 100 * 19, idle=1000 * 20)
    assert load.load()["cpu_percent"] == pytest.approx(100 * 500 / 6500, abs=5)


def test_a_sample_that_is_too_fresh_or_too_old_says_nothing(machine: Machine) -> None:
    machine.cpu(idle=100)
    load.sample()
    machine.cpu(idle=200)
    machine.later(3)
    assert "cpu_percent" not in load.load()
    machine.later(100)
    assert "cpu_percent" not in load.load()
    assert "rps" not in load.load()


def test_counters_that_went_back_say_nothing(machine: Machine) -> None:
    machine.cpu(user=5000, idle=5000)
    load.sample()
    machine.later(60)
    machine.cpu(user=10, idle=20)
    assert "cpu_percent" not in load.load()


@pytest.mark.parametrize("kept", ["", "junk", "1 2", "990.0 1 2 3 4 5 6\n", "x 1 2 3 4\n", "\0\0\0"])
def test_a_broken_file_of_samples_is_as_none(machine: Machine, kept: str) -> None:
    machine.kept.write_text(kept)
    assert "cpu_percent" not in load.load()
    load.sample()


def test_samples_that_cannot_be_written_harm_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_KEPT", "/proc/nowhere/load")
    load.sample()
    assert "cpu_percent" not in load.load()


def test_memory_is_what_is_not_available(machine: Machine) -> None:
    machine.files["/proc/meminfo"] = "MemTotal:  1048576 kB\nMemFree: 1 kB\nMemAvailable:   262144 kB\n"
    assert load.load()["memory_percent"] == 75.0


def test_a_containers_own_pressure_comes_before_the_hosts(machine: Machine) -> None:
    line = "some avg10=1.00 avg60={} avg300=3.00 total=4\nfull avg10=0.00 avg60=9.00 avg300=0.00 total=0\n"
    machine.files["/proc/pressure/memory"] = line.format("70.50")
    machine.files["/proc/pressure/cpu"] = line.format("12.50")
    assert load.load()["pressure"] == 70.5
    machine.files["/sys/fs/cgroup/unified/memory.pressure"] = line.format("2.25")
    found = load.load()
    assert (found["pressure"], found["cpu_pressure"]) == (2.2, 12.5)


def test_requests_are_counted_from_where_the_log_stood(machine: Machine) -> None:
    machine.asked(500)
    load.sample()
    machine.later(60)
    machine.asked(95, ms=10)
    machine.asked(5, ms=400)
    machine.asked(1, ms=900)
    assert (load.load()["rps"], load.load()["p95_ms"]) == (round(101 / 60, 2), 400)


def test_what_a_peer_answered_is_the_peers(machine: Machine) -> None:
    machine.asked(0)
    load.sample()
    machine.later(50)
    machine.asked(100, address="198.18.1.7:8082", ms=900)
    machine.asked(100, ms=20)
    machine.asked(100, address="-", status=404)
    assert (load.load()["rps"], load.load()["p95_ms"]) == (2.0, 20)


def test_errors_count_as_requests_and_not_as_quick_answers(machine: Machine) -> None:
    machine.asked(0)
    load.sample()
    machine.later(50)
    machine.asked(100, status=502, ms=1)
    assert load.load()["rps"] == 2.0
    assert "p95_ms" not in load.load()


def test_a_few_answers_make_no_p95_and_none_make_no_requests(machine: Machine) -> None:
    machine.asked(0)
    load.sample()
    machine.later(60)
    assert load.load()["rps"] == 0.0
    machine.asked(19)
    assert "p95_ms" not in load.load()


def test_a_log_that_is_not_there_says_nothing(machine: Machine) -> None:
    load.sample()
    machine.later(60)
    assert "rps" not in load.load()


def test_a_log_that_was_moved_aside_is_read_on_where_it_went(machine: Machine) -> None:
    machine.asked(100)
    load.sample()
    machine.later(30)
    machine.asked(40)
    machine.log.with_name("access.log.1").write_text(machine.log.read_text())
    machine.log.write_text("")
    machine.asked(20)
    machine.later(30)
    assert load.load()["rps"] == 1.0


def test_a_log_that_is_new_counts_from_its_beginning(machine: Machine) -> None:
    load.sample()
    machine.asked(120)
    machine.later(60)
    assert load.load()["rps"] == 2.0


def test_a_busy_minute_takes_little_time_and_every_request_counts(machine: Machine) -> None:
    machine.asked(0)
    load.sample()
    machine.later(60)
    machine.asked(60_000, address="198.18.1.7:8082")
    machine.asked(60_000)
    began = time.process_time()
    found = load.load()
    assert time.process_time() - began < 1.0
    assert found["rps"] == pytest.approx(2000, rel=0.01)  # the lines looked at are all own ones


def test_it_is_light_to_import() -> None:
    heavy = ["typing", "dataclasses", "pathlib", "re", "json", "asyncio"]
    code = f"import sys, du_node.load; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-IS", "-c", f"import sys; sys.path.insert(0, '.'); {code}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    )
    assert done.stdout.strip() == "[]"
