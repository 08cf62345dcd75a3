"""Switches under load, ours and the straightforward script's, and what of a release is ours. DU_SWITCHES: how many."""

from __future__ import annotations

import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
_NOT_OURS = ("pull", "ready", "warm-up")
"""Steps whose length is the registry's or the service's. Observation is off here, and the drain waits for clients."""

_FLEET = """\
fleet: {fleet}
regions:
  home: {{provider: lxd, gateway: {gateway}}}
services:
  hello: {{image: {image}, tag: v1, port: 8080, release: {{observe: 0s, cut_after: 10s}}}}
"""


def measure() -> list[Row]:
    """Both gateways, then the script on a node of the same kind; each with the same load."""
    return [*(row for gateway in ("nginx", "envoy") for row in _ours(gateway)), *_the_script()]


def _ours(gateway: str) -> list[Row]:
    with _region(gateway) as region:
        vip = region.up().vip
        seconds: list[dict[str, float]] = []
        report, each = _under_load(vip, lambda n: seconds.append(_switch(region, _TAGS[n % 2])))
    ours = [sum(v for k, v in s.items() if k not in (*_NOT_OURS, "drain")) for s in seconds]
    proofs = [1000 * s.get("switch", 0.0) for s in seconds]
    return [
        _lost(f"{gateway}, du-infra", report, each),
        at_most(f"{gateway}: ours in a release, per node (median)", median(ours), 1, "s"),
        at_most(f"{gateway}: the switch, decision to proof (median)", median(proofs), 300, "ms"),
        Row(f"{gateway}: the switch, decision to proof (worst)", f"{max(proofs):.0f} ms"),
    ]


def _switch(region: Region, tag: str) -> dict[str, float]:
    """One release; the seconds of its steps, as du-node tells them."""
    from du_infra.control.context import RegionContext
    from du_infra.control.observe import observe_nodes

    region.release("hello", tag)
    context = RegionContext(region.fleet.spec, region.name, region.fleet.folder)
    (node,) = observe_nodes(context, context.store.pool(region.name).nodes)
    return dict(node.result["reports"]["hello"]["seconds"])


def _the_script() -> list[Row]:
    with _region("nginx", services=False) as region:
        (name,) = region.up().nodes
        (told,) = region.status().nodes
        script.install(name)  # it knows nothing of the VIP: its node is asked at its own address
        script.release(name, f"{_IMAGE}:v1", wait=1)
        report, each = _under_load(told.address, lambda n: script.release(name, f"{_IMAGE}:{_TAGS[n % 2]}", wait=1))
    return [_lost("nginx, the straightforward script", report, each)]


def _under_load(address: str, switch: Callable[[int], Any]) -> tuple[Report, list[float]]:
    took = []
    with Load(address, USUAL, seconds=3600) as load:
        time.sleep(1)
        for number in range(SWITCHES):
            began = time.perf_counter()
            switch(number)
            took.append(time.perf_counter() - began)
        time.sleep(1)
    return load.report, took


def _lost(what: str, report: Report, took: list[float]) -> Row:
    kinds = ", ".join(f"{n} {kind}" for kind, n in report.lost_by.items())
    told = f"{report.lost} of {report.requests:,} lost" + (f" ({kinds})" if kinds else "")
    value = f"{told}; {median(took):.1f} s each"
    return Row(f"{len(took)} switches: {what}", value, "0 lost" if "du-infra" in what else "", _met(what, report))


def _met(what: str, report: Report) -> bool | None:
    return report.lost == 0 if "du-infra" in what else None


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
