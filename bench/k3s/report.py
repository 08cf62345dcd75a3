"""The report of a verification: steps with what they took and said, as Markdown. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.k3s.memory import Memory


@dataclass(frozen=True)
class Step:
    """One step. ``said``: what was seen; ``error`` "" when it went well, None when it was not come to."""

    what: str
    seconds: float = 0.0
    said: str = ""
    error: str | None = ""


@dataclass(frozen=True)
class Report:
    """``facts`` are versions and the machine; ``detail`` is a failure's own words and what K3s's journal said."""

    facts: Sequence[tuple[str, str]]
    steps: Sequence[Step]
    memory: Sequence[tuple[str, Memory]] = ()
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether every step was come to, and went well."""
        return all(step.error == "" for step in self.steps)

    def markdown(self) -> str:
        """All of it, for a person and for an issue."""
        verdict = "Everything went well." if self.ok else "**It did not go well.**"
        lines = ["# K3s, verified by du-infra", "", verdict, ""]
        lines += [f"- {name}: {value}" for name, value in self.facts]
        lines += ["", "| step | seconds | |", "| --- | --- | --- |", *map(_row, self.steps)]
        for node, memory in self.memory:
            lines += ["", f"## Memory of {node}", "", f"In use: {memory.used:.0f} of {memory.total:.0f} MB", ""]
            lines += ["| program | MB (proportional set size) |", "| --- | --- |"]
            lines += [f"| {name} | {mb:.0f} |" for name, mb in memory.largest()]
        if self.detail:
            lines += ["", "## What went wrong", "", "```", self.detail.replace("```", "'''").strip(), "```"]
        return "\n".join(lines) + "\n"


def _row(step: Step) -> str:
    if step.error is None:
        return f"| {step.what} | | not come to |"
    words = step.said if not step.error else f"**failed**: {step.error}"
    return f"| {step.what} | {step.seconds:.1f} | {' '.join(words.replace('|', '/').split())} |"
