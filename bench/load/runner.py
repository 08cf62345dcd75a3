"""Starts the load client as a process of its own and reads its report."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.load.mix import USUAL

_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Report:
    """What a run saw. ``told`` is all of it, as ``bench.load.tally`` tells it."""

    told: Mapping[str, Any]

    @property
    def requests(self) -> int:
        """Requests in all, lost ones included; a message of a stream is none."""
        return int(self.told["requests"])

    @property
    def lost(self) -> int:
        """Requests without a good answer."""
        return int(self.told["lost"])

    @property
    def lost_by(self) -> Mapping[str, int]:
        """Losses by what happened."""
        return dict(self.told["lost_by"])

    @property
    def cut(self) -> int:
        """Long-lived connections that the other side ended."""
        return int(self.told["cut"])

    @property
    def releases(self) -> set[str]:
        """The releases that answered."""
        return set(self.told["releases"])

    @property
    def gap(self) -> float:
        """The longest time without a single good answer, in seconds."""
        return float(self.told["longest_gap"]["seconds"])

    def __str__(self) -> str:
        short = {
            key: self.told[key] for key in ("requests", "lost", "lost_by", "cut", "moved", "longest_gap", "lag_ms")
        }
        return json.dumps({**short, "losses": self.told["losses"][:20]})


class Load:
    """Load for as long as the block lasts; ``report`` is there afterwards. The process ends with ours, too."""

    def __init__(self, address: str, mix: str = USUAL, seconds: float = 600, timeout: float = 10) -> None:
        options = ["--seconds", str(seconds), "--mix", mix, "--timeout", str(timeout), "--until-eof"]
        self._command = [sys.executable, "-m", "bench.load", address, *options]
        self._timeout = timeout
        self._report: Report | None = None

    def __enter__(self) -> Load:
        self.process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT
        )
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "started":
            self.process.kill()
            raise RuntimeError("the load client did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            out, _ = self.process.communicate(timeout=self._timeout + 10)
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
        if error is None:
            self._report = Report(json.loads(out))

    @property
    def report(self) -> Report:
        """What was seen. Raises RuntimeError before the end of the block."""
        if self._report is None:
            raise RuntimeError("the load has not ended")
        return self._report
