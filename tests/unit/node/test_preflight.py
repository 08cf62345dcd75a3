"""What a release is refused for before anything changes, and how a copy is warmed up before anybody asks it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest

from du_node import preflight, runtime, warm_up
from du_node.cgroups import Memory
from du_node.errors import NodeError
from du_node.runtime.driver import ContainerState
from du_node.runtime.words import pull_error
from du_node.state import Container
from tests.unit.node.world import service


class Paper:
    """A runtime with one image, and a running copy where ``pid`` is one."""

    storage = "/nowhere"

    def __init__(self, architecture: str = "", pid: int = 0) -> None:
        self._architecture, self._pid = architecture, pid

    def architecture(self, image: str) -> str:
        return self._architecture

    def state(self, name: str) -> ContainerState:
        return ContainerState(pid=self._pid if name.endswith("blue") else 0)

    def last_lines(self, *_: object) -> str:
        return "the last word"


def refused(tool: Paper, *, pull: bool = False, **more: Any) -> NodeError:
    with pytest.raises(NodeError) as error:
        preflight.preflight(service(**more), tool, pull=pull)  # type: ignore[arg-type]
    assert error.value.service == "hello"
    return error.value


def free_memory(monkeypatch: pytest.MonkeyPatch, megabytes: int) -> None:
    text = f"MemAvailable: {megabytes << 10} kB\nSwapFree: 99999999 kB\n"
    monkeypatch.setattr(preflight.files, "read", lambda path: text if path == "/proc/meminfo" else "")


def test_room_for_the_image_is_asked_for_only_when_it_has_to_be_pulled() -> None:
    error = refused(Paper(), pull=True, size_mb=1 << 20)
    assert (error.kind, "3145928 MB of free disk" in error.what) == ("no-room", True)
    preflight.preflight(service(size_mb=1 << 20), Paper(), pull=False)  # type: ignore[arg-type]


def test_an_image_for_other_machines_is_refused_before_it_is_pulled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "machine", lambda: "riscv64")
    error = refused(Paper(), pull=True, architectures=("amd64", "arm64"))
    assert (error.kind, "is made for amd64 and arm64, and this node is riscv64" in error.what) == ("image", True)
    for fitting in ((), ("amd64", "riscv64")):
        preflight.preflight(service(architectures=fitting), Paper(), pull=True)  # type: ignore[arg-type]


def test_a_limit_is_what_a_second_copy_needs_and_swap_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    free_memory(monkeypatch, 200)
    preflight.preflight(service(memory_mb=200), Paper(), pull=False)  # type: ignore[arg-type]
    error = refused(Paper(), memory_mb=201)
    assert (error.kind, "needs 201 MB of memory, and 200 MB are free" in error.what) == ("no-room", True)


def test_without_a_limit_it_needs_what_the_running_copy_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "memory.current").write_text(str(300 << 20))
    monkeypatch.setattr(preflight, "memory_of", lambda pid: Memory(tmp_path, unified=True) if pid == 7 else None)
    monkeypatch.setattr(preflight, "memory_info", lambda: {"MemAvailable": 299 << 10})
    assert "needs 300 MB" in refused(Paper(pid=7)).what
    preflight.preflight(service(), Paper(), pull=False)  # type: ignore[arg-type]
    monkeypatch.setattr(preflight, "memory_info", lambda: {"MemAvailable": 31 << 10})
    assert "needs 32 MB" in refused(Paper()).what


def test_an_image_for_another_machine_is_refused_before_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight.platform, "machine", lambda: "x86_64")
    preflight.preflight(service(), Paper("amd64"), pull=False)  # type: ignore[arg-type]
    error = refused(Paper("arm64"))
    assert (error.kind, error.what) == ("image", "hello r1 is made for arm64, and this node is amd64")
    told = pull_error(service(), "fatal: no match for platform in manifest sha256:0: not found")
    assert told.what == "hello r1 is not made for this node, which is amd64"


class Warm(BaseHTTPRequestHandler):
    """Answers with the next of ``statuses``, and the last one from then on."""

    statuses: ClassVar[list[int]] = []
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def copy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Container]:
    monkeypatch.setattr(runtime, "chosen", Paper)
    server = HTTPServer(("127.0.0.1", 0), Warm)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Container("hello", "green", True, server.server_address[1], "r2", "v2", "i", "d", "c")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_copy_is_warmed_up_by_ten_requests_for_the_path(copy: Container) -> None:
    Warm.statuses[:], Warm.asked[:] = [200, 302, 204], []
    warm_up.warm_up(copy, "/warm?x=1")
    assert Warm.asked == ["/warm?x=1"] * 10


def test_the_first_bad_answer_to_a_warm_up_ends_the_release(copy: Container) -> None:
    Warm.statuses[:] = [200, 200, 500]
    with pytest.raises(NodeError, match="v2 cannot be warmed up: /warm answers 500") as error:
        warm_up.warm_up(copy, "/warm")
    assert (error.value.kind, "the last word" in error.value.detail) == ("not-ready", True)
