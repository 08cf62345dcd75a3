"""`du-infra control run` beside a test."""

from __future__ import annotations

import json
import subprocess
import threading
import time

from tests.region.conftest import DU, Bed


class Loop:
    """`du-infra control run`, and the decisions that it told: (seconds since the last ``reset``, decision)."""

    def __init__(self, bed: Bed, minute: float) -> None:
        self._bed = bed
        self.minute = minute
        self._start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def _start(self) -> None:
        command = [*DU, "control", "run", "--interval", "1s", "--output", "json", "--fleet", str(self._bed.file)]
        with (self._bed.folder / "loop.log").open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
            )
        self.told: list[tuple[float, dict[str, str]]] = []
        self._since = time.monotonic()
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.told.append((time.monotonic() - self._since, json.loads(line)))

    def reset(self) -> None:
        self.told.clear()
        self._since = time.monotonic()

    def wait_for(self, kind: str, node: str = "") -> tuple[float, str]:
        """When a decision of this kind was told, and its text."""
        while time.monotonic() - self._since < self.minute:
            for when, line in list(self.told):
                if line["kind"] == kind and node in ("", line["node"]):
                    return when, line["text"]
            assert self._process.poll() is None, "the loop ended"
            time.sleep(0.05)
        raise AssertionError(f"no {kind} of {node or 'the region'} within {self.minute:g} s: {self.told}")

    def kill_and_start_again(self) -> None:
        self.end()
        self._start()

    def end(self) -> None:
        with self._process:  # closes its output, too
            self._process.kill()
