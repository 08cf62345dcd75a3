"""What a pass of the loop does about a cluster's daily backup. Its trouble is its own: nothing else waits for it."""

from __future__ import annotations

import time

from du_infra.control.cluster.backup import due, region_backup
from du_infra.control.context import RegionContext
from du_infra.control.decision import in_words
from du_infra.control.mind_releases import Say
from du_infra.errors import Busy, DuError
from du_infra.progress import Reporter

_FIRST_WAIT, _LONGEST_WAIT = 5.0, 300.0


class BackupMinder:
    """Minds the backups of one region. ``trouble``: why none could be made in this pass, if so."""

    def __init__(self, say: Say, report: Reporter, *, dry_run: bool) -> None:
        self._say = say
        self._report = report
        self._dry_run = dry_run
        self._wait = _FIRST_WAIT
        self._not_before = 0.0
        self.trouble: DuError | None = None

    def mind(self, context: RegionContext) -> None:
        """Make one where it is due. What goes wrong is told. Raises Busy when another minds the region by now."""
        try:
            self._mind(context)
        except Busy:
            raise
        except DuError as error:
            self._failed(error)
        except Exception as error:
            self._failed(DuError(f"unforeseen: {type(error).__name__}: {error}"))

    def _mind(self, context: RegionContext) -> None:
        if not due(context):
            self._wait, self._not_before = _FIRST_WAIT, 0.0
            return
        self._say("backup", "the cluster has no backup of the last 24 hours that was read back")
        if self._dry_run or time.monotonic() < self._not_before:
            return
        try:
            made = region_backup(context, self._report).backup
        finally:  # also after one that does not count, by a clock that is wrong: not one in each pass
            self._not_before = time.monotonic() + self._wait
            self._wait = min(self._wait * 2, _LONGEST_WAIT)
        self._say("done", f"backup {made.name}, read back")

    def _failed(self, error: DuError) -> None:
        self.trouble = error
        self._say("failed", in_words(error))
