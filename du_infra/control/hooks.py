"""What Terraform calls when somebody else runs it in a region's folder: modules/pool-hooks, its values, its log.

Terraform holds the lock on its state while a hook runs, so a hook never runs Terraform; it takes the region's lock
and does not wait for it, because a du-infra that holds it may be waiting for Terraform's.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.engines.lock import exclusive
from du_infra.engines.terraform.rootmodule import Hooks, change_variables
from du_infra.errors import DuError, SpecError
from du_infra.pool.names import stem_of
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Event, Reporter, line, silent

_OTHERS_SECONDS = 7200.0
_MOST_BYTES = 1_000_000


def hooks_of(context: RegionContext, record: PoolRecord) -> Hooks:
    """The values that hooks need in the region's Terraform folder."""
    return Hooks(
        stem=stem_of(context.fleet.fleet, context.name),
        counter=record.counter,
        known=[node.name for node in record.nodes],
        python=sys.executable,
        fleet=os.path.relpath(context.folder / context.file, context.terraform),
    )


def note_nodes(context: RegionContext, record: PoolRecord, nodes: Mapping[str, Any]) -> None:
    """Write what Terraform was asked for, and the names it may use next, where its next plan reads them.

    So nodes that were given on the command line stay, and a name that was used once is refused.
    """
    changes = {"nodes": nodes, "hooks": hooks_of(context, record).__dict__}
    change_variables(context.terraform, changes)


def read_nodes(text: str) -> dict[str, Any]:
    """The nodes that Terraform was asked for, by name, from the JSON that it gives. Raises SpecError."""
    try:
        nodes = json.loads(text)
    except ValueError:
        nodes = None
    if not isinstance(nodes, dict):
        raise SpecError("is no JSON object of nodes", where="DU_NODES", todo="leave it to modules/pool-hooks to set it")
    return nodes


@contextmanager
def hooked(context: RegionContext, what: str, report: Reporter) -> Iterator[Reporter]:
    """A turn among the hooks of one Terraform, which runs several at once; ``what`` it does and how it ends is logged.

    Gives the reporter to work with: it writes to the log, and tells ``report`` too.
    """
    if not context.home.is_dir():  # the region is gone, and its log with it
        yield report
        return
    with exclusive(context.home / "hooks.lock", what=f"region {context.name}", report=silent, wait=_OTHERS_SECONDS):
        log = _Log(context.home / "hooks.log", report)
        log.say(what)
        try:
            yield log
        except DuError as error:
            log.say(f"{what}: failed: {error}", *error.detail.splitlines(), *filter(None, (error.done, error.todo)))
            raise
        except BaseException as error:
            log.say(f"{what}: stopped: {error!r}")
            raise
        log.say(f"{what}: done")


class _Log:
    """A reporter that writes each event into a file too; the file before it is kept when it grows large."""

    def __init__(self, path: Path, report: Reporter) -> None:
        self._path = path
        self._report = report
        self._lock = threading.Lock()
        if path.is_file() and path.stat().st_size > _MOST_BYTES:
            path.replace(path.with_suffix(".log.1"))

    def __call__(self, event: Event) -> None:
        if event.kind != "observe":
            self.say(line(event))
        self._report(event)

    def say(self, *lines: str) -> None:
        """Append a line with the time, and more below it."""
        first, *more = lines
        text = "".join(f"{words}\n" for words in (f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {first}", *more))
        with self._lock, os.fdopen(os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a") as file:
            file.write(text)
