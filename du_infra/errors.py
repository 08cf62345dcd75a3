"""Every error du-infra raises on purpose.

    DuError                 1  something failed that has no better name
    ├── SpecError           2  fleet.yaml (or the command line) is wrong
    ├── ToolMissing         3  this machine lacks a tool, a right or a service we need
    ├── Refused             4  we will not do that: a guard, somebody else's machine, an answer of "no"
    ├── EngineFailed        5  Terraform, Ansible, LXD or another tool said no
    ├── NotReady            6  it runs, but did not become ready in time
    ├── Busy                7  another du-infra is at work on the same thing
    ├── Unreachable         8  a node, a registry or an API does not answer
    └── (Ctrl-C)          130

The number is the exit code of the command line, which is the only place that turns an error into text.
"""

from __future__ import annotations

from typing import ClassVar

INTERRUPTED = 130
"""The exit code after Ctrl-C."""


class DuError(Exception):
    """What happened, where, and what to do about it.

    ``what`` is one sentence without a full stop; ``where`` names the file, node, resource or address;
    ``todo`` tells the user the next step; ``detail`` holds a tool's own words (several lines), if any; ``done`` says
    what was done about it already (a release that went back, say).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, what: str, *, where: str = "", todo: str = "", detail: str = "", done: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.todo = todo
        self.detail = detail
        self.done = done
        if detail:
            self.add_note(detail)  # a traceback shows it too

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class SpecError(DuError):
    """fleet.yaml or an argument is wrong; nothing was done."""

    exit_code = 2


class ToolMissing(DuError):
    """This machine lacks something: a program, a right, a running service."""

    exit_code = 3


class Refused(DuError):
    """The request is understood and will not be carried out."""

    exit_code = 4


class EngineFailed(DuError):
    """An outside tool failed; ``detail`` keeps its own message."""

    exit_code = 5


class NotReady(DuError):
    """Something runs but is not ready within its time."""

    exit_code = 6


class Busy(DuError):
    """Somebody else holds the lock; the message says who."""

    exit_code = 7


class Unreachable(DuError):
    """A node, registry or API does not answer."""

    exit_code = 8
