"""`make verify-k3s` says what went wrong, does no more after that, and takes its machines away whatever happened."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.k3s import memory, verify
from bench.k3s.memory import Memory
from bench.k3s.report import Report, Step
from du_infra.errors import EngineFailed, NotReady
from du_infra.progress import silent

MEMORY = Memory(1024.0, 512.4, {"k3s": (1, 400.2), "nginx": (2, 9.6), "sh": (1, 0.5), "cron": (1, 0.7)})


class FakeRegion:
    """A region that answers as the sample service does, and fails where it is told to."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.done: list[str] = []
        self.nodes = 1

    def _do(self, what: str, result: Any = None) -> Any:
        self.done.append(what)
        if what == self.fails:
            raise EngineFailed(f"{what} failed", detail="its own words", todo="mend it")
        return result

    def up(self, **_: Any) -> Any:
        return self._do("up", SimpleNamespace(seconds={"boot": 1.0}))

    def down(self, **_: Any) -> Any:
        return self._do("down", SimpleNamespace(nodes=("a",)))

    def scale(self, nodes: int, **_: Any) -> None:
        self.nodes = nodes
        self._do(f"scale {nodes}")

    def release(self, service: str, tag: str, **_: Any) -> None:
        self._do(f"release {tag}")

    def rollback(self, service: str, **_: Any) -> None:
        self._do("rollback")

    def drain(self, node: str, **_: Any) -> None:
        self._do(f"drain {node}")

    def undrain(self, node: str, **_: Any) -> None:
        self._do(f"undrain {node}")

    def status(self) -> Any:
        nodes = [SimpleNamespace(name=f"n{number + 1}") for number in range(self.nodes)]
        return SimpleNamespace(nodes=nodes, vip="198.18.1.1", ready=True, why=(), survives="one server: …")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """``lost``: requests that the load counts as lost."""
    told = SimpleNamespace(lost=0)

    class Load:
        def __init__(self, *_: object) -> None:
            self.report = SimpleNamespace(lost=told.lost, requests=100, gap=0.1, lost_by={"GET 502": told.lost})

        def __enter__(self) -> Load:
            return self

        def __exit__(self, *_: object) -> None:
            return

    monkeypatch.setattr(verify, "Load", Load)
    monkeypatch.setattr(verify, "memory_of", lambda node: MEMORY)
    monkeypatch.setattr(verify, "_try", lambda node, words: f"what K3s said on {node}")
    return told


def ran(region: FakeRegion, monkeypatch: pytest.MonkeyPatch) -> verify.Run:
    def on(node: str, *words: str) -> str:
        if "--version" in words:
            return "k3s version v1.34.4+k3s1 (abc)\ngo version"
        if "jsonpath" in words[-1]:
            return " ".join(["True"] * region.nodes)
        info = {"kubeletVersion": "v1.34.4", "containerRuntimeVersion": "containerd://2", "osImage": "Debian"}
        return json.dumps({"items": [{"status": {"nodeInfo": info}}]})

    def answer(*_: object, **__: object) -> tuple[int, bytes]:
        tag = "v2" if region.done[-1] == "release v2" else "v1"
        return 200, f"version {tag}".encode()

    monkeypatch.setattr(verify, "_on", on)
    monkeypatch.setattr(verify, "http_get", answer)
    run = verify.Run(region, 0.0, silent)  # type: ignore[arg-type]
    run.all()
    return run


def test_every_step_is_done_and_told(machine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    region = FakeRegion()
    run = ran(region, monkeypatch)
    assert region.done == ["up", "release v2", "rollback", "scale 2", "drain n2", "undrain n2", "scale 1", "down"]
    report = Report([("K3s asked for", "v1.34.4+k3s1")], run.steps, run.memory)
    assert report.ok
    text = report.markdown()
    assert "0 of 100 requests lost" in text
    assert "k3s version v1.34.4+k3s1 (abc); kubelet v1.34.4" in text
    assert "## Memory of n1" in text
    assert "## Memory of n2" in text
    assert "| k3s | 400 |\n| nginx | 10 |\n| all others | 1 |" in text


def test_after_a_failure_nothing_more_is_done_but_to_clear_up(
    machine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    region = FakeRegion(fails="scale 2")
    run = ran(region, monkeypatch)
    assert region.done == ["up", "release v2", "rollback", "scale 2", "down"]
    report = Report([], run.steps, run.memory, run.detail)
    text = report.markdown()
    assert not report.ok
    assert "**It did not go well.**" in text
    assert "| **failed**: scale 2 failed |" in text
    assert text.count("| not come to |") == 4
    for words in ("its own words", "mend it", "what K3s said on n1"):
        assert words in text


def test_a_lost_request_is_a_failure(machine: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.lost = 3
    run = ran(FakeRegion(), monkeypatch)
    assert "3 of 100 requests were lost: {'GET 502': 3}" in run.detail
    assert not Report([], run.steps).ok


def test_what_a_report_quotes_does_not_break_it() -> None:
    error = NotReady("a | b\nc")
    text = Report([], [Step("x", 1.0, error=str(error))], detail="```\nmore").markdown()
    assert "| x | 1.0 | **failed**: a / b c |" in text
    assert text.count("```") == 2


def test_memory_is_read_from_proc_on_this_machine() -> None:
    told = json.loads(subprocess.run([sys.executable, "-c", memory._LOOK], capture_output=True, check=True).stdout)
    assert told["MemTotal"] > told["MemAvailable"] > 0
    assert any(size > 0 for _, size in told["programs"].values())


def test_programs_are_called_by_their_own_names(tmp_path: Path) -> None:
    """What a node's /proc has, in a folder."""
    lines = {
        1: b"/sbin/init\0",
        2: b"/usr/bin/python3\0-IS\0/usr/local/bin/du-node\0serve\0",
        3: b"nginx: master process /usr/sbin/nginx -g daemon off;\0",
        4: b"nginx: worker process\0",
        5: b"/usr/local/bin/k3s\0server\0",
        6: b"/hello\0",
    }
    for pid, line in lines.items():
        place = tmp_path / "proc" / str(pid)
        place.mkdir(parents=True)
        (place / "cmdline").write_bytes(line)
        (place / "cgroup").write_text("0::/kubepods/x\n" if pid == 6 else "0::/\n")
        (place / "smaps_rollup").write_text("x\nPss:  1024 kB\n")
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 2048 kB\nMemAvailable: 1024 kB\n")
    script = memory._LOOK.replace("'/proc/", f"'{tmp_path}/proc/").replace("int(place[6:])", "-1")
    told = json.loads(subprocess.run([sys.executable, "-c", script], capture_output=True, check=True).stdout)
    counts = {name: count for name, (count, _) in told["programs"].items()}
    assert counts == {"init": 1, "du-node": 1, "nginx": 2, "k3s": 1, "containers": 1}


def test_what_a_killed_run_has_left_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    region = FakeRegion()
    fleet = verify._fleet(tmp_path / "verify-k3s", "v1.34.4+k3s1", "")
    assert fleet.spec.regions["home"].runtime == "k3s"
    monkeypatch.setattr(verify.du_infra, "load", lambda _: SimpleNamespace(region=lambda _: region))
    verify._clear(tmp_path / "verify-k3s")
    assert region.done == ["down"]
    assert not (tmp_path / "verify-k3s").exists()
    verify._clear(tmp_path / "verify-k3s")
    assert region.done == ["down"]
