"""The steps of a release at which faults strike: named by the words with which du-node begins them."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """A step, and how its line of progress looks."""

    name: str
    line: re.Pattern[str]

    def __str__(self) -> str:
        return self.name


def _step(name: str, pattern: str) -> Step:
    return Step(name, re.compile(pattern))


STEPS = (
    _step("preflight", r"hello: see that there is room"),
    _step("pull", r"hello: pull "),
    _step("start", r"hello: start \w+ with"),
    _step("ready", r"hello: wait until \w+ is ready"),
    _step("canary", r"gateway: hello → \w+ .*50 % to"),
    _step("observe canary", r"hello: observe \w+ with 50 %"),
    _step("switch", r"gateway: hello → \w+ \(backup \w+\)$"),
    _step("observe", r"hello: observe \w+ with 100 %"),
    _step("alone", r"gateway: hello → \w+$"),
    _step("drain", r"hello: let the requests"),
    _step("stop", r"hello: stop \w+"),
)
"""In their order. A release that has 50 % as canary, is observed, and whose image is not on the node takes all."""


def step(name: str) -> Step:
    """By name."""
    return next(one for one in STEPS if one.name == name)
