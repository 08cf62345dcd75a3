"""Which cases run: a short choice with the other tests, all of them with DU_FAULTS=all."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tests.faults.case import Case, Then
from tests.faults.harm import FAULTS, Fault, fault
from tests.faults.steps import STEPS, step
from tests.kinds import ALL, KINDS

SWITCHES = int(os.environ.get("DU_SWITCHES", "100" if ALL else "5"))

_SHORT = (
    Case(fault("apply"), step("observe canary")),
    Case(fault("ssh"), step("switch")),
    Case(fault("serve"), step("pull")),
    Case(fault("controller"), step("canary"), "resume"),
    Case(fault("controller and apply"), step("observe"), "abort"),
    Case(fault("containerd"), step("ready")),
    Case(fault("nginx"), step("switch")),
    Case(fault("restart"), step("observe canary")),
)


_SHORT_ENVOY = (
    Case(fault("controller and apply"), step("observe"), "abort"),
    Case(fault("envoy"), step("switch")),
)


def stages(short: int = 1) -> list[tuple[str, str]]:
    """The runtimes and gateways that are tried: all, or the first ``short`` of them."""
    return list(KINDS if ALL else KINDS[:short])


def cases() -> list[tuple[tuple[str, str], Case]]:
    """Every fault at every step on each runtime and gateway that it concerns, or the short choice."""
    if ALL:
        return [(kind, case) for kind in KINDS for case in _every() if _concerns(case.fault, *kind)]
    return [(kind, case) for kind, some in zip(KINDS, (_SHORT, _SHORT_ENVOY), strict=False) for case in some]


def _concerns(fault: Fault, runtime: str, gateway: str) -> bool:
    return not fault.only or runtime in fault.only or gateway in fault.only


def _every() -> Iterator[Case]:
    for one in FAULTS:
        ends: tuple[Then, ...] = ("resume", "abort") if one.ends_controller else ("",)
        yield from (Case(one, at, then) for at in STEPS for then in ends)
