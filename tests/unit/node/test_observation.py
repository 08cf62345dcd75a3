"""The observation as a whole: a real readiness path and a real log file, with a runtime on paper."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from du_node import cgroups, places
from du_node.observation import health, watch
from du_node.observation.watch import ObservationFailed, observe
from du_node.rollout import Rollout
from du_node.runtime.driver import ContainerState
from du_node.state import Container

BASE = Container("hello", "blue", True, 20000, "r1", "v1", "i", "d", "c", start_timeout=0)


class Readyz(BaseHTTPRequestHandler):
    """Answers what ``status`` says."""

    status: ClassVar[list[int]] = [200]

    def do_GET(self) -> None:
        self.send_response(self.status[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Paper:
    """A runtime: what each look at the new copy says; the last one stays."""

    looks: list[ContainerState]
    started: int = 0
    starting: list[ContainerState] = field(default_factory=list)

    def ensure(self) -> None: ...

    def state(self, name: str) -> ContainerState:
        if name.endswith("blue"):
            return ContainerState(exists=True, running=True, pid=os.getpid())
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def start(self, container: Container) -> None:
        assert container.slot == "green"
        self.started += 1
        self.looks[:] = self.starting


RUNS = ContainerState(exists=True, running=True, pid=os.getpid())


def ended(code: int, *, oom: bool = False) -> ContainerState:
    return ContainerState(exists=True, exit_code=code, oom=oom)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(watch, "_LOOK", 0.02)
    monkeypatch.setattr(watch, "_TELL", 0.04)
    monkeypatch.setattr(watch.processes, "age", lambda pid: 1e6)
    monkeypatch.setattr(places, "RESTARTS", str(tmp_path / "restarts.json"))
    monkeypatch.setattr(places, "LOGS", str(tmp_path))
    (tmp_path / "hello-green.log").write_text("the last word\n")


@pytest.fixture
def green() -> Iterator[Container]:
    """A new copy whose readiness path answers."""
    Readyz.status[0] = 200
    server = HTTPServer(("127.0.0.1", 0), Readyz)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield replace(BASE, slot="green", port=server.server_address[1], tag="v2")
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Seen:
    """What an observation said."""

    log: Path
    tool: Any = field(default_factory=lambda: Paper([RUNS]))
    lines: list[dict[str, Any]] = field(default_factory=list)

    def run(self, new: Container, share: int = 100, **rollout: Any) -> dict[str, Any]:
        how = Rollout(**{"observe": 0.3, **rollout})
        return observe(new, BASE, how, share, self.tool, self.lines.append, str(self.log))

    def add(self, port: int, count: int, status: int = 200, seconds: float = 0.01) -> None:
        with self.log.open("a") as file:
            file.write(f"{time.time():.3f} hello 127.0.0.1:{port} {status} {seconds:.3f} {status}\n" * count)

    def later(self, *additions: tuple[int, int, int, float]) -> threading.Thread:
        def write() -> None:
            time.sleep(0.1)
            for addition in additions:
                self.add(*addition)

        thread = threading.Thread(target=write)
        thread.start()
        return thread


@pytest.fixture
def seen(tmp_path: Path) -> Seen:
    found = Seen(tmp_path / "access.log")
    found.add(BASE.port, 100)
    return found


def test_a_good_copy_gets_its_report_and_progress_is_told_meanwhile(green: Container, seen: Seen) -> None:
    thread = seen.later((green.port, 60, 200, 0.012))
    report = seen.run(green)
    thread.join()
    assert report == {
        "requests": 60,
        "errors": 0,
        "error_percent": 0.0,
        "p95_ms": 12,
        "old_p95_ms": 10,
        "restarts": 0,
        "oom": 0,
        "note": "",
    }
    assert len(seen.lines) > 2
    assert seen.lines[-1]["kind"] == "observe"
    assert "hello v2: 60 requests, 0.0 % errors, p95 12 ms (v1: 10 ms), 0 s left" in seen.lines[-1]["text"]


def test_too_few_requests_are_said_and_are_no_failure(green: Container, seen: Seen) -> None:
    assert "0 requests were too few" in seen.run(green)["note"]


def test_what_the_new_copy_did_before_the_observation_is_not_held_against_it(green: Container, seen: Seen) -> None:
    seen.add(green.port, 100, 500)
    assert seen.run(green)["requests"] == 0


def test_a_copy_that_is_surely_bad_does_not_wait_for_the_end(green: Container, seen: Seen) -> None:
    thread = seen.later((green.port, 60, 500, 0.001))
    began = time.monotonic()
    with pytest.raises(ObservationFailed, match=r"v2 answered 5xx to 100\.0 % of 60 requests") as failed:
        seen.run(green, observe=20)
    thread.join()
    assert time.monotonic() - began < 3
    assert (failed.value.kind, failed.value.service, failed.value.report["errors"]) == ("observation", "hello", 60)
    assert "the last word" in failed.value.detail


def test_beside_the_old_copy_both_are_counted_and_as_a_mere_backup_it_is_not(green: Container, seen: Seen) -> None:
    for share, old in ((25, 500), (100, 10)):
        thread = seen.later((green.port, 60, 200, 0.5), (BASE.port, 200, 200, 0.5))
        if share == 25:
            assert seen.run(green, share)["old_p95_ms"] == old
        else:
            with pytest.raises(ObservationFailed, match="begin within 500 ms"):
                Seen(seen.log, seen.tool).run(green, share, max_latency=1.5)
        thread.join()
        seen.log.write_text("")
        seen.add(BASE.port, 100)


def test_a_crash_fails_at_once_and_names_the_exit_code(green: Container, seen: Seen) -> None:
    Readyz.status[0] = 503
    seen.tool = Paper([RUNS, ended(3)])
    with pytest.raises(ObservationFailed, match="hello: v2 ended by itself with exit code 3"):
        seen.run(green, observe=20)
    assert seen.tool.started == 0


def test_the_end_of_a_copy_is_noticed_at_once_and_not_at_the_next_look(
    green: Container, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_LOOK", 10)
    process = subprocess.Popen(["sleep", "0.3"])
    seen.tool = Paper([ContainerState(exists=True, running=True, pid=process.pid), RUNS, ended(3)])
    began = time.monotonic()
    with pytest.raises(ObservationFailed, match="exit code 3"):
        seen.run(green, observe=20)
    assert time.monotonic() - began < 5
    process.wait()


def test_a_copy_that_may_fall_is_started_again_and_counted(
    green: Container, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    Readyz.status[0] = 503
    seen.tool = Paper([RUNS, ended(3)], starting=[RUNS])
    monkeypatch.setattr(health, "MISSED", 1000)
    timer = threading.Timer(0.1, lambda: Readyz.status.__setitem__(0, 200))
    timer.start()
    report = seen.run(replace(green, start_timeout=5), max_restarts=1)
    timer.join()
    assert (report["restarts"], seen.tool.started) == (1, 1)
    assert '"hello": 0' in Path(places.RESTARTS).read_text()
    Readyz.status[0] = 503
    seen.tool = Paper([RUNS, ended(3)], starting=[ended(4)])
    with pytest.raises(ObservationFailed, match=r"fell 2 times, .* the 1 allowed; last it ended .* exit code 4"):
        seen.run(green, max_restarts=1)


def test_a_container_that_is_gone_and_one_that_is_not_ready_are_told_apart(green: Container, seen: Seen) -> None:
    Readyz.status[0] = 503
    with pytest.raises(ObservationFailed, match="not ready any more: /readyz answers 503"):
        seen.run(green, observe=20)
    seen.tool = Paper([RUNS, ContainerState()])
    with pytest.raises(ObservationFailed, match="its container is gone"):
        seen.run(green, observe=20, max_restarts=5)


@pytest.mark.parametrize("unified", [True, False])
def test_a_lack_of_memory_is_told_from_a_crash_in_both_versions_of_control_groups(
    green: Container, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unified: bool
) -> None:
    group = tmp_path / "group"
    group.mkdir()
    counter = group / ("memory.events" if unified else "memory.oom_control")
    counter.write_text("oom_kill 0\n")
    monkeypatch.setattr(health, "memory_of", lambda pid: cgroups.Memory(group, unified))

    class Killed(Paper):
        def state(self, name: str) -> ContainerState:
            found = super().state(name)
            if not found.running:
                counter.write_text("low 0\noom_kill 1\n" if unified else "under_oom 0\noom_kill 1\n")
            return found

    Readyz.status[0] = 503
    seen.tool = Killed([RUNS, ended(137)])
    with pytest.raises(ObservationFailed, match="v2 was killed because memory ran out") as failed:
        seen.run(green, observe=20)
    assert failed.value.report["oom"] == 1
    seen.tool = Paper([RUNS, ended(137)])
    with pytest.raises(ObservationFailed, match="exit code 137"):
        seen.run(green, observe=20)
    seen.tool = Paper([RUNS, ended(1, oom=True)])
    with pytest.raises(ObservationFailed, match="memory ran out"):
        seen.run(green, observe=20)


def test_a_worker_that_memory_kills_counts_although_the_copy_answers_on(
    green: Container, seen: Seen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "memory.events").write_text("oom_kill 2\n")
    monkeypatch.setattr(health, "memory_of", lambda pid: cgroups.Memory(tmp_path, True))
    timer = threading.Timer(0.1, lambda: (tmp_path / "memory.events").write_text("oom_kill 3\n"))
    timer.start()
    with pytest.raises(ObservationFailed, match="lost 1 of its processes because memory ran out"):
        seen.run(green, observe=20)
    timer.join()


def test_a_clock_that_is_set_during_the_observation_does_no_harm(
    green: Container, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    thread = seen.later((green.port, 60, 200, 0.012))
    real, jumps = time.time, iter(range(0, 10**9, 86400))
    monkeypatch.setattr(watch.time, "time", lambda: real() - next(jumps))
    began = time.monotonic()
    assert seen.run(green)["requests"] == 60
    thread.join()
    assert 0.3 <= time.monotonic() - began < 2
