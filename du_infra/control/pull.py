"""A fleet that is kept in Git: the loop's clone goes forward as its branch does elsewhere. Level-triggered.

A commit whose fleet file has mistakes is not checked out: what a loop reads when it starts is always right. Nothing of
anybody's is merged, thrown away or rewritten here; where that were needed, a person is told.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from du_infra.control.decision import Decision, Kind, Teller
from du_infra.errors import DuError
from du_infra.spec.complaints import Problem
from du_infra.spec.load import check_content

_LEAST_SECONDS = 1.0
_MOST_LETTERS = 400


class Repository(Protocol):
    """What ``engines.git.Clone`` is."""

    upstream: str

    def fetch(self) -> None: ...
    def ours(self) -> str: ...
    def theirs(self) -> str: ...
    def holds(self, commit: str, other: str) -> bool: ...
    def read(self, commit: str, name: str) -> bytes | None: ...
    def forward(self, commit: str) -> None: ...
    def title(self, commit: str) -> str: ...


@dataclass(frozen=True)
class Seen:
    """The commits here and there. ``behind``: theirs has all that ours has; ``ahead``: the other way round."""

    ours: str
    theirs: str
    behind: bool
    ahead: bool


@dataclass(frozen=True)
class Step:
    """ "forward" to ``theirs``, if its file is right; "stay", as nothing is new; "left", as ``why`` says."""

    kind: Literal["forward", "stay", "left"]
    why: str = ""


def next_step(seen: Seen, upstream: str) -> Step:
    """What is to be done. Pure."""
    if seen.ours == seen.theirs or (seen.ahead and not seen.behind):
        return Step("stay")
    if seen.behind:
        return Step("forward")
    why = f"{upstream} and this clone have gone different ways: see `git log --oneline HEAD...{upstream}`, then"
    return Step("left", f"{why} `git rebase {upstream}`, or `git reset --hard {upstream}` where nothing here counts")


class Pull:
    """Looks every ``interval`` seconds, and at once when poked. ``dry_run``: it says what it would check out."""

    def __init__(self, clone: Repository, name: str, tell: Teller, *, dry_run: bool = False) -> None:
        self._clone, self._name, self._dry_run = clone, name, dry_run
        self._tellers = [tell]
        self._poked = threading.Event()
        self._over = threading.Event()
        self._told = ""
        self._wrong: tuple[str, str] = ("", "")
        self._thread: threading.Thread | None = None
        self.broken: Exception | None = None

    def heard_by(self, teller: Teller) -> None:
        """Tell this one, too."""
        self._tellers.append(teller)

    def poke(self) -> None:
        """Somebody says that there is something new."""
        self._poked.set()

    def start(self, interval: float, stop: threading.Event) -> None:
        """Go on in a thread of its own, until ``close``. What ends it before is ``broken``, and sets ``stop``."""
        self._thread = threading.Thread(target=self._run, args=(interval, stop), daemon=True, name="pull")
        self._thread.start()

    def close(self) -> None:
        """A look that is under way comes to its end, within bounds: what Git is doing it does to its end anyhow."""
        self._over.set()
        self._poked.set()
        if self._thread:
            self._thread.join(5)

    def once(self) -> DuError | None:
        """One look; what went wrong, which has been told."""
        try:
            self._clone.fetch()
            self._act(self._observe())
        except DuError as error:
            self._say("failed", f"the fleet's repository: {_whole(error)}")
            return error
        return None

    def _run(self, interval: float, stop: threading.Event) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            while not self._over.is_set():
                self._poked.clear()
                began = time.monotonic()
                self.once()
                self._poked.wait(max(interval, _LEAST_SECONDS))
                self._over.wait(max(0.0, began + _LEAST_SECONDS - time.monotonic()))  # many pokes are one
        except Exception as error:  # nobody hears us any more; a fleet that is not followed must not seem to be
            self.broken = error
            stop.set()

    def _observe(self) -> Seen:
        ours, theirs = self._clone.ours(), self._clone.theirs()
        if ours == theirs:
            return Seen(ours, theirs, behind=True, ahead=True)
        return Seen(ours, theirs, behind=self._clone.holds(theirs, ours), ahead=self._clone.holds(ours, theirs))

    def _act(self, seen: Seen) -> None:
        step = next_step(seen, self._clone.upstream)
        if step.kind == "stay":
            if self._told:
                self._say("well", f"the clone is at {self._clone.title(seen.ours)}")
            self._told = ""
        elif step.kind == "left":
            self._say("left", step.why)
        elif mistakes := self._mistakes(seen.theirs):
            title = self._clone.title(seen.theirs)
            self._say("left", f"{title} is not checked out: {mistakes}")
        else:
            self._forward(seen.theirs)

    def _forward(self, commit: str) -> None:
        title = self._clone.title(commit)
        if self._dry_run:
            self._say("pull", f"{title} would be checked out")
            return
        self._clone.forward(commit)
        self._say("pull", f"{title} is checked out")
        self._told = ""

    def _mistakes(self, commit: str) -> str:
        """What is wrong with the file in this commit; it is looked at once."""
        if self._wrong[0] != commit:
            content = self._clone.read(commit, self._name)
            checked = None if content is None else check_content(content, self._name)
            self._wrong = commit, _words(checked.problems) if checked else f"{self._name} is gone"
        return self._wrong[1]

    def _say(self, kind: Kind, text: str) -> None:
        """Once, however often it is so."""
        if text != self._told:
            self._told = text
            for tell in self._tellers:
                tell(Decision("", kind, text, about="upkeep"))


def _whole(error: DuError) -> str:
    """With what Git said, in one line."""
    lines = [line.strip() for line in error.detail.splitlines() if not line.startswith("hint:")]
    return ": ".join((str(error), " ".join(lines)[:_MOST_LETTERS])) if any(lines) else str(error)


def _words(problems: Sequence[Problem]) -> str:
    first, more = next(iter(problems), None), len(problems) - 1
    return f"{first}{f', and {more} more' if more > 0 else ''}" if first else ""


def pull_of(file: Path, tell: Teller, *, dry_run: bool = False) -> Pull:
    """For the fleet file in a clone. Raises SpecError where it is in none."""
    from du_infra.engines.git import Clone

    return Pull(Clone(file.resolve().parent), file.resolve().name, tell, dry_run=dry_run)
