"""Switches under load, ours and the straightforward script's, and what of a release is ours. DU_SWITCHES: how many."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import du_infra
from bench.load.mix import USUAL
from bench.load.runner import Load, Report
from bench.naive import node as script
from bench.report import Row, at_most
from du_infra.fleet import Region
from du_infra.progress import silent

SWITCHES = int(os.environ.get("DU_SWITCHES", "100"))
_IMAGE = "registry.local:5000/hello"
_TAGS = ("v2", "v1")
_NOT_OURS = ("pull", "ready", "warm-up", "drain")
"""Steps whose length is the registry's, the service's or the clients'. Observation is off here."""
_RUNTIME = ("run", "stop", "remove")
"""Steps that are one command of the container runtime, which whoever starts and stops a container needs."""
_QUIET = 6
"""Releases without load, by which our own share is measured: a node's one CPU is the service's, otherwise."""
_SLEEPS = (1, 5)
"""Seconds that the script sleeps between the reload and the end of the old container."""

_FLEET = """\
fleet: {fleet}
regions:
  home: {{provider: lxd, gateway: {gateway}}}
services:
  hello: {{image: {image}, tag: v1, port: 8080, release: {{observe: 0s, cut_after: 5s}}}}
"""


def measure() -> Iterator[Row]:
    """Both gateways, then the script on a node of the same kind; each with the same load."""
    for gateway in ("nginx", "envoy"):
        yield from _ours(gateway)
    yield from _the_script()


def _ours(gateway: str) -> list[Row]:
    with _region(gateway) as region:
        vip = region.up().vip
        quiet = [_switch(region, _TAGS[n % 2]) for n in range(_QUIET)]
        loaded: list[dict[str, float]] = []
        report, each = _under_load(vip, lambda n: loaded.append(_switch(region, _TAGS[n % 2])))
        memory = _serve_mb(region)
    proofs = [1000 * steps["switch"] for steps in loaded]
    return [
        *_lost(f"{gateway}, du-infra", report, each),
        *_latencies(f"{gateway}, du-infra", report),
        at_most(
            f"{gateway}: ours in a release, per node (median of {_QUIET}, no load)", _share(quiet, _RUNTIME), 1, "s"
        ),
        Row(f"{gateway}: … the runtime's start, stop and remove included", f"{_share(quiet):.2f} s"),
        Row(f"{gateway}: … the same under the load", f"{_share(loaded):.2f} s"),
        at_most(f"{gateway}: the switch, decision to proof, under the load (median)", median(proofs), 300, "ms"),
        Row(f"{gateway}: … the worst", f"{max(proofs):.0f} ms"),
        at_most(f"{gateway}: du-node serve, resident memory after all that", memory, 15, "MB"),
    ]


def _share(releases: list[dict[str, float]], more: tuple[str, ...] = ()) -> float:
    """Seconds of a release, in the median, that are neither the registry's, the service's nor the clients'."""
    return median(sum(v for k, v in steps.items() if k not in (*_NOT_OURS, *more)) for steps in releases)


def _serve_mb(region: Region) -> float:
    (node,) = region.status().nodes
    told = script.run(node.name, "grep VmRSS /proc/$(systemctl show -p MainPID --value du-node)/status")
    return int(told.split()[1]) / 1024


def _switch(region: Region, tag: str) -> dict[str, float]:
    """One release; the seconds of its steps, as du-node tells them."""
    from du_infra.control.context import RegionContext
    from du_infra.control.observe import observe_nodes

    region.release("hello", tag)
    context = RegionContext(region.fleet.spec, region.name, region.fleet.folder)
    (node,) = observe_nodes(context, context.store.pool(region.name).nodes)
    return dict(node.result["reports"]["hello"]["seconds"])


def _the_script() -> Iterator[Row]:
    with _region("nginx", services=False) as region:
        (name,) = region.up().nodes
        (told,) = region.status().nodes
        script.install(name)  # it knows nothing of the VIP: its node is asked at its own address
        script.release(name, f"{_IMAGE}:v1", wait=1)
        for sleep in _SLEEPS:
            yield from _script_with(name, told.address, sleep)


def _script_with(name: str, address: str, sleep: int) -> list[Row]:
    """A release of the script's that ends with an error is counted: nothing of ours would mend it."""
    what, failed = f"nginx, the script with `sleep {sleep}`", []

    def switch(number: int) -> None:
        try:
            script.release(name, f"{_IMAGE}:{_TAGS[number % 2]}", wait=sleep)
        except RuntimeError as error:
            failed.append(str(error))

    report, each = _under_load(address, switch)
    ended = (
        [Row(f"… releases that ended with an error: {what}", f"{len(failed)}, as {failed[0][-120:]}")] if failed else []
    )
    return [*_lost(what, report, each), *ended, *_latencies(what, report)]


def _latencies(what: str, report: Report) -> list[Row]:
    kinds = [report.told["kinds"][kind] for kind in ("get", "post-fresh", "h2-get")]
    told = [" / ".join(f"{kind[key]:.0f}" for kind in kinds) for key in ("p50_ms", "p95_ms", "worst_ms")]
    return [Row(f"… kept GET / fresh POST / HTTP/2 GET, p50, p95, worst: {what}", f"{', '.join(told)} ms")]


@dataclass(frozen=True)
class _Took:
    """When a switch began, on the monotonic clock, and how many seconds it took."""

    began: float
    seconds: float


def _under_load(address: str, switch: Callable[[int], Any]) -> tuple[Report, list[_Took]]:
    took = []
    with Load(address, USUAL, seconds=3600) as load:
        time.sleep(1)
        for number in range(SWITCHES):
            began = time.monotonic()
            switch(number)
            took.append(_Took(began, time.monotonic() - began))
        time.sleep(1)
    return load.report, took


def _lost(what: str, report: Report, took: list[_Took]) -> Iterator[Row]:
    kinds = ", ".join(f"{n} {kind}" for kind, n in report.lost_by.items())
    told = f"{report.lost} of {report.requests:,} lost" + (f" ({kinds})" if kinds else "")
    value = f"{told}, {report.cut} streams cut; {median(one.seconds for one in took):.1f} s each"
    ours = "du-infra" in what
    yield Row(f"{len(took)} switches: {what}", value, "0 lost" if ours else "", report.lost == 0 if ours else None)
    if ours and report.lost:
        yield Row(f"… when: {what}", "; ".join(_when(report, took)))


def _when(report: Report, took: list[_Took]) -> Iterator[str]:
    """Each loss, and how long after the beginning of which switch: for whoever looks for its cause."""
    for loss in report.told["losses"]:
        at = report.told["began"] + loss["at"]
        number, one = next((n, t) for n, t in reversed([*enumerate(took)]) if t.began <= at or n == 0)
        yield f"{loss['kind']} {loss['what']}, {at - one.began:.2f} s into switch {number + 1} ({one.seconds:.1f} s)"


@contextmanager
def _region(gateway: str, *, services: bool = True) -> Iterator[Region]:
    with tempfile.TemporaryDirectory() as folder:
        text = _FLEET.format(fleet=f"bench{secrets.token_hex(3)}", gateway=gateway, image=_IMAGE)
        file = Path(folder) / "fleet.yaml"
        file.write_text(text if services else text.partition("services:")[0], encoding="utf-8")
        region = du_infra.load(file).region("home")
        try:
            yield region
        finally:
            region.down(report=silent)
