"""Which cases run: a short choice with the other tests, all of them with DU_FAULTS=all."""

from __future__ import annotations

import os
from collections.abc import Iterator

from tests.faults.case import Case, Then
from tests.faults.harm import FAULTS, Fault, fault
from tests.faults.steps import STEPS, step

ALL = os.environ.get("DU_FAULTS") == "all"

COMBINATIONS = (("containerd", "nginx"), ("containerd", "envoy"), ("docker", "nginx"))
"""Runtime and gateway."""

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


def stages() -> list[tuple[str, str]]:
    """The combinations of runtime and gateway that are tried."""
    return list(COMBINATIONS if ALL else COMBINATIONS[:1])


def cases() -> list[Case]:
    """Every fault at every step, or the short choice."""
    return list(_every()) if ALL else list(_SHORT)


def concerns(fault: Fault, runtime: str, gateway: str) -> bool:
    """Whether the fault has something to hit there."""
    return not fault.only or runtime in fault.only or gateway in fault.only


def _every() -> Iterator[Case]:
    for one in FAULTS:
        ends: tuple[Then, ...] = ("resume", "abort") if one.ends_controller else ("",)
        yield from (Case(one, at, then) for at in STEPS for then in ends)
