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


def named(name: str, pattern: str) -> Step:
    """A step by the pattern of the line with which it begins."""
    return Step(name, re.compile(pattern))


STEPS = (
    named("preflight", r"hello: see that there is room"),
    named("pull", r"hello: pull "),
    named("start", r"hello: start \w+ with"),
    named("ready", r"hello: wait until \w+ is ready"),
    named("canary", r"gateway: hello → \w+ .*50 % to"),
    named("observe canary", r"hello: observe \w+ with 50 %"),
    named("switch", r"gateway: hello → \w+ \(backup \w+\)$"),
    named("observe", r"hello: observe \w+ with 100 %"),
    named("alone", r"gateway: hello → \w+$"),
    named("drain", r"hello: let the requests"),
    named("stop", r"hello: stop \w+"),
)
"""In their order. A release that has 50 % as canary, is observed, and whose image is not on the node takes all."""


def step(name: str) -> Step:
    """By name."""
    return next(one for one in STEPS if one.name == name)
