"""One way to call Terraform: python-terraform composes the arguments, we run them and judge the outcome."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from du_infra.engines.terraform.binary import Binary
from du_infra.engines.terraform.messages import event_of, parse, problems
from du_infra.engines.terraform.process import Finished, capture, follow
from du_infra.errors import Busy, DuError, EngineFailed, Refused
from du_infra.progress import Reporter, silent

# A Terraform that outlived a killed du-infra ends the machine at hand and then lets go of the lock.
LOCK_TIMEOUT = "120s"
CLI_CONFIG = "terraform.tfrc"
STAGE = "machines"


class Runner:
    """Calls one Terraform in one folder; ``extra`` goes into its environment (where the API is)."""

    def __init__(self, folder: Path, binary: Binary, extra: Mapping[str, str]) -> None:
        self.folder = folder
        self.binary = binary
        self._extra = dict(extra)

    def read(self, command: str, *args: str, **options: object) -> Any:
        """Run a command that prints one JSON object, and return the object. Raises EngineFailed."""
        argv = self._argv(command, args, {**options, "json": True})
        try:
            done = capture(argv, self.folder, self._environment())
        except subprocess.TimeoutExpired as problem:
            raise self._failed(command, f"no answer in {problem.timeout:.0f} s") from problem
        if done.rc != 0:
            raise self._failed(command, done.stderr.strip())
        return json.loads(done.stdout)

    def stream(self, command: str, *args: str, report: Reporter = silent, **options: object) -> list[dict[str, Any]]:
        """Run a command that speaks ``-json`` lines; report as they come, and return them all."""
        messages: list[dict[str, Any]] = []

        def on_line(line: str) -> None:
            messages.append(parse(line))
            if event := event_of(messages[-1], STAGE):
                report(event)

        done = self._follow(command, args, {**options, "json": True}, on_line)
        if done.rc != 0:
            raise self._failed(command, problems(messages) or _last_words(messages, done.stderr))
        return messages

    def plain(self, command: str, *args: str, **options: object) -> None:
        """Run a command that has no ``-json``; its words are kept for the error."""
        lines: list[str] = []
        done = self._follow(command, args, {**options, "no_color": True}, lines.append)
        if done.rc != 0:
            raise self._failed(command, done.stderr.strip() or "".join(lines).strip())

    def _follow(self, command: str, args: Iterable[str], options: Mapping[str, object], on_line: Any) -> Finished:
        return follow(self._argv(command, args, options), self.folder, self._environment(), on_line)

    def _argv(self, command: str, args: Iterable[str], options: Mapping[str, object]) -> list[str]:
        from python_terraform import IsFlagged, Terraform

        # state: python-terraform reads a state file when it is made, and we want none read
        composer = Terraform(str(self.folder), terraform_bin_path=str(self.binary.path), state=".none")
        flags = {name: IsFlagged if name in ("json", "no_color") else value for name, value in options.items()}
        return list(composer.generate_cmd_string(command, *args, **flags))

    def _environment(self) -> dict[str, str]:
        """The user's environment, but of Terraform's own variables only TF_LOG*: others change what a run means."""
        if os.environ.get("DU_HOOK"):  # the Terraform that called us holds the lock on the state until we end
            raise Refused("a hook of Terraform cannot run Terraform", where=str(self.folder))
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
        kept |= {name: value for name, value in os.environ.items() if name.startswith("TF_LOG")}
        ours = {
            "TF_CLI_CONFIG_FILE": str(self.folder / CLI_CONFIG),
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
            "CHECKPOINT_DISABLE": "1",
            "DU_HOOKS": "off",  # modules/pool-hooks is for a Terraform that somebody else runs
        }
        return {**kept, **ours, **self._extra}

    def _failed(self, command: str, detail: str) -> DuError:
        where = str(self.folder)
        if "Error acquiring the state lock" in detail:
            return Busy(
                "another Terraform is at work on this region's machines",
                where=where,
                todo="wait until it has ended and run the same command again",
                detail=detail,
            )
        return EngineFailed(
            f"{self.binary.flavor} {command} failed",
            where=where,
            todo="see Terraform's message; when its cause is gone, run the same command again",
            detail=detail,
        )


def _last_words(messages: list[dict[str, Any]], stderr: str) -> str:
    words = [str(message.get("@message", "")) for message in messages[-5:]]
    return stderr.strip() or "\n".join(words)
