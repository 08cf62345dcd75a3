"""`make verify-k3s`: a region with K3s of its own is brought up, used, and taken away; a report says how that went.

For a person whose machine reaches the network, as K3s's own binary was never run by du-infra's tests. With --from the
files of a release come from a folder, and nothing is downloaded but images.
"""

from __future__ import annotations

import argparse
import json
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import du_infra
from bench.k3s.memory import SETTLE_SECONDS, Memory, memory_of
from bench.k3s.report import Report, Step
from bench.load.runner import Load
from bench.report import machine
from du_infra.control.observe import http_get
from du_infra.errors import DuError, NotReady
from du_infra.fleet import Fleet, Region
from du_infra.paths import cache
from du_infra.progress import Event, Reporter
from du_infra.spec.k3s import VERSION

_MIX = "get=30,post=20,get-fresh=20,post-fresh=15"
_JOURNAL_LINES = "60"


@dataclass
class Run:
    """A verification under way."""

    region: Region
    settle: float
    report: Reporter
    steps: list[Step] = field(default_factory=list)
    memory: list[tuple[str, Memory]] = field(default_factory=list)
    detail: str = ""

    def all(self) -> None:
        """Every step, one after the other, to the first that fails; the region is gone afterwards."""
        steps: list[tuple[str, Callable[[], str]]] = [
            ("region up, one node", self._up),
            ("K3s, Kubernetes and containerd say their versions", self._versions),
            ("memory of the server", self._memory),
            ("release v2 and back, under load", self._release),
            ("scale to two nodes, under load", self._scale),
            ("memory of the agent", self._memory_of_the_agent),
            ("drain the agent and take it back, under load", self._drain),
            ("scale back to one node, under load", self._shrink),
            ("status", self._status),
        ]
        try:
            for what, step in steps:
                done = self._do(what, step) if not self.detail else Step(what, error=None)
                self.steps.append(done)
        finally:
            self.steps.append(self._do("region down", self._down))

    def _do(self, what: str, step: Callable[[], str]) -> Step:
        self.report(Event("step", "verify", what))
        began = time.monotonic()
        try:
            said = step()
        except (DuError, OSError, subprocess.SubprocessError, RuntimeError) as error:
            more = [error.detail, error.todo] if isinstance(error, DuError) else [_told(error)]
            self.detail += "\n".join([f"{what}: {error}", *filter(None, more), self._journals(), ""])
            return Step(what, time.monotonic() - began, error=str(error))
        return Step(what, time.monotonic() - began, said)

    def _up(self) -> str:
        done = self.region.up(report=self.report)
        return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in done.seconds.items())

    def _versions(self) -> str:
        node = self._nodes()[0]
        told = json.loads(_on(node, "k3s", "kubectl", "get", "nodes", "-o", "json"))["items"][0]["status"]["nodeInfo"]
        k3s = _on(node, "k3s", "--version").splitlines()[0]
        return f"{k3s}; kubelet {told['kubeletVersion']}; {told['containerRuntimeVersion']}; {told['osImage']}"

    def _memory(self, place: int = 0) -> str:
        time.sleep(self.settle)
        node = self._nodes()[place]
        found = memory_of(node)
        self.memory.append((node, found))
        return f"{found.used:.0f} of {found.total:.0f} MB in use"

    def _memory_of_the_agent(self) -> str:
        return self._memory(1)

    def _release(self) -> str:
        def there_and_back() -> None:
            self.region.release("hello", "v2", report=self.report)
            self._serves("v2")
            self.region.rollback("hello", report=self.report)
            self._serves("v1")

        return self._under_load(there_and_back)

    def _scale(self) -> str:
        return self._under_load(lambda: self._have(2))

    def _shrink(self) -> str:
        return self._under_load(lambda: self._have(1))

    def _have(self, nodes: int) -> None:
        self.region.scale(nodes, report=self.report)
        ready = self._ready()
        if ready != nodes:
            raise NotReady(f"{ready} Node(s) of the cluster are Ready, and {nodes} should be")

    def _ready(self) -> int:
        jsonpath = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
        return _on(self._nodes()[0], "k3s", "kubectl", "get", "nodes", "-o", jsonpath).split().count("True")

    def _drain(self) -> str:
        def away_and_back() -> None:
            agent = self._nodes()[1]
            self.region.drain(agent, report=self.report)
            self.region.undrain(agent, report=self.report)

        return self._under_load(away_and_back)

    def _status(self) -> str:
        status = self.region.status()
        if not status.ready:
            raise NotReady("; ".join(status.why) or "the region is not ready")
        self._serves("v1")
        return status.survives

    def _down(self) -> str:
        return f"{len(self.region.down(report=self.report).nodes)} machine(s) destroyed"

    def _serves(self, tag: str) -> None:
        status, body = http_get(self.region.status().vip, "/", timeout=10)
        if status != 200 or f"version {tag}" not in body.decode():
            raise NotReady(f"the sample service answers {status} {body[:60]!r}, and not as {tag}")

    def _under_load(self, work: Callable[[], None]) -> str:
        with Load(self.region.status().vip, _MIX) as load:
            work()
        found = load.report
        if found.lost:
            raise NotReady(f"{found.lost} of {found.requests} requests were lost: {dict(found.lost_by)}")
        return f"0 of {found.requests} requests lost, at most {found.gap:.1f} s without an answer"

    def _nodes(self) -> list[str]:
        return [node.name for node in self.region.status().nodes]

    def _journals(self) -> str:
        """The end of what K3s said on every node there is."""
        try:
            names = self._nodes()
        except DuError:
            return ""
        argv = ["journalctl", "-u", "k3s", "-u", "k3s-agent", "-n", _JOURNAL_LINES, "--no-pager", "-o", "cat"]
        return "\n".join(f"journal of {name}:\n{_try(name, argv)}" for name in names)


def main(argv: Sequence[str]) -> int:
    """0 when all went well, 1 when not; the report goes to standard output and into a file."""
    parser = argparse.ArgumentParser(prog="make verify-k3s", description=__doc__)
    parser.add_argument("--version", default=VERSION, help="the release of K3s")
    parser.add_argument("--from", dest="folder", default="", help="a folder with the release's files")
    parser.add_argument("--report", type=Path, default=Path("verify-k3s.md"), help="where the report goes")
    parser.add_argument("--settle", type=float, default=SETTLE_SECONDS, help="seconds before memory is looked at")
    told = parser.parse_args(argv)
    began, folder = time.monotonic(), cache() / "verify-k3s"
    _clear(folder)
    run = Run(_fleet(folder, told.version, told.folder).region("home"), told.settle, _say)
    run.all()
    facts = [("machine", machine()), ("K3s asked for", told.version), ("from", told.folder or "the network")]
    facts += [("du-infra", du_infra.__version__), ("in all", f"{time.monotonic() - began:.0f} s")]
    report = Report(facts, run.steps, run.memory, run.detail)
    told.report.write_text(report.markdown(), encoding="utf-8")
    print(report.markdown())
    return 0 if report.ok else 1


def _clear(folder: Path) -> None:
    """Take away what a run that was killed has left."""
    if (folder / "fleet.yaml").exists():
        du_infra.load(folder / "fleet.yaml").region("home").down(report=_say)
    shutil.rmtree(folder, ignore_errors=True)


def _fleet(folder: Path, version: str, files: str) -> Fleet:
    k3s = {"version": version, **({"from": str(Path(files).resolve())} if files else {})}
    region = {"provider": "lxd", "runtime": "k3s", "k3s": k3s, "pool": {"nodes": 1, "boot_timeout": "5m"}}
    hello = {"image": "registry.local:5000/hello", "tag": "v1", "port": 8080, "release": {"observe": "5s"}}
    fleet = {"fleet": f"verify{secrets.token_hex(3)}", "regions": {"home": region}, "services": {"hello": hello}}
    folder.mkdir(parents=True)
    (folder / "fleet.yaml").write_text(json.dumps(fleet), encoding="utf-8")  # JSON is YAML
    return du_infra.load(folder / "fleet.yaml")


def _say(event: Event) -> None:
    if event.text:
        print(f"  {event.stage}: {event.text}", file=sys.stderr, flush=True)


def _on(node: str, *words: str) -> str:
    return subprocess.run(["lxc", "exec", node, "-T", "--", *words], capture_output=True, text=True, check=True).stdout


def _try(node: str, words: Sequence[str]) -> str:
    done = subprocess.run(["lxc", "exec", node, "-T", "--", *words], capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr.strip()


def _told(error: Exception) -> str:
    return str(getattr(error, "stderr", "") or "")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
