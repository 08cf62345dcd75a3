"""Which regions this controller minds: all, or its share of them among those who share the store.

For its share it signs, takes and gives, in a thread of its own, whatever else is slow.

A region that is to go to another controller is given when the pass that is under way over it has ended. One that does
not manage to sign in time holds nothing any more by its own word, before anybody else may take it.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Set
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Literal, Protocol

from du_infra.controllers.plan import Seen, to_give, to_take
from du_infra.controllers.watch import BEAT_SECONDS, TRUST_SECONDS, Watch
from du_infra.errors import DuError
from du_infra.store.controllers import Board, Controllers, held
from du_infra.store.gate import fenced
from du_infra.store.owner import Owner, this_process

_SHOWN = 5


class Share(Protocol):
    """What is ours to mind."""

    def start(self) -> None:
        """Begin. Raises what the store raises."""

    def end(self) -> None:
        """Mind nothing any more; nothing may be under way."""

    def held(self) -> Set[str]:
        """The regions to mind now."""

    def token(self, region: str) -> str | None:
        """By what a region is ours now; None when it is not."""

    def holds(self, region: str, token: str) -> bool:
        """Whether it is still ours by this token."""

    def fence(self, region: str, token: str) -> AbstractContextManager[None]:
        """Within, nothing is written for a region that is not ours any more."""


class All:
    """Nobody else is asked."""

    def __init__(self, minds: Callable[[], Set[str]]) -> None:
        self._minds = minds

    def start(self) -> None:
        """Nothing to be done."""

    def end(self) -> None:
        """Nothing to be done."""

    def held(self) -> Set[str]:
        """Every region."""
        return self._minds()

    def token(self, region: str) -> str | None:
        """None is needed."""
        return ""

    def holds(self, region: str, token: str) -> bool:
        """It is."""
        return True

    def fence(self, region: str, token: str) -> AbstractContextManager[None]:
        """None is needed: the region's lock is enough."""
        return nullcontext()


class Shared:
    """``minds``: the regions that we would mind now. ``idle``: whether no pass over a region is under way here.

    ``tell`` gets a line of words when our share changes, and when the store cannot be reached.
    """

    def __init__(
        self,
        store: Controllers,
        minds: Callable[[], Set[str]],
        idle: Callable[[str], bool],
        tell: Callable[[Literal["share", "failed"], str], None],
        *,
        owner: Owner | None = None,
    ) -> None:
        self._store = store
        self._minds = minds
        self._idle = idle
        self._tell = tell
        self._owner = owner or this_process()
        self._watch = Watch()
        self._me = ""
        self._signed = float("-inf")
        self._said: frozenset[str] | None = None
        self._mine: frozenset[str] = frozenset()
        self._leaving: frozenset[str] = frozenset()
        self._told: object = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True, name="share")

    def start(self) -> None:
        """Begin to sign. Raises what the store raises at the first time."""
        self.step()
        self._thread.start()

    def end(self) -> None:
        """Sign no more, and free all that we hold; nothing may be under way."""
        self._over.set()
        if self._thread.ident:
            self._thread.join()
        me, self._me = self._me, ""
        self._mine = self._leaving = frozenset()
        if me:
            with suppress(DuError):  # then the others wait until our signature is old
                self._store.leave(me)

    def held(self) -> Set[str]:
        """The regions to mind now."""
        return {name for name in self._mine if self.token(name) is not None}

    def token(self, region: str) -> str | None:
        """By what a region is ours now; None when it is not."""
        me = self._me
        return me if self.holds(region, me) else None

    def holds(self, region: str, token: str) -> bool:
        """Whether it is still ours to mind by this token."""
        fresh = time.monotonic() - self._signed < TRUST_SECONDS
        return fresh and token == self._me and region in self._mine and region not in self._leaving

    def fence(self, region: str, token: str) -> AbstractContextManager[None]:
        """Within, nothing is written for a region that is not ours any more."""
        return fenced(held(token, region))

    def step(self) -> None:
        """Sign once, and do our part of the plan. Raises Unreachable."""
        board = self._sign()
        dead = self._dead(board)
        buried = [self._store.bury(one, board.controllers[one].beat) for one in sorted(dead)]
        if any(buried):
            board = self._store.board()
        seen = Seen({one: seen.minds for one, seen in board.controllers.items() if one not in dead}, board.holds)
        self._mine = frozenset(name for name, who in board.holds.items() if who == self._me)
        self._leaving = frozenset(to_give(seen, self._me))
        if idle := {name for name in self._leaving if self._idle(name)}:
            self._store.give(self._me, idle)
            self._mine -= idle
        self._mine |= self._store.take(self._me, taken) if (taken := to_take(seen, self._me)) else set()
        self._tell_share(len({name for names in seen.minds.values() for name in names}), len(seen.minds))

    def _sign(self) -> Board:
        minds, clock = frozenset(self._minds()), time.monotonic()
        board = self._store.sign(self._me, None if minds == self._said else minds) if self._me else None
        if board is None:
            self._mine = self._leaving = frozenset()
            self._me = ""
            me = secrets.token_hex(8)
            self._store.join(me, self._owner, minds)
            board = self._store.board()
            self._me = me
        self._signed, self._said = clock, minds
        return board

    def _dead(self, board: Board) -> set[str]:
        """Those that did not sign for long, and processes of this machine that have ended."""
        beats = {one: seen.beat for one, seen in board.controllers.items() if one != self._me}
        silent = self._watch.dead(beats, board.wall, time.monotonic())
        return silent | {one for one in beats if board.controllers[one].owner.vanished}

    def _run(self) -> None:
        while not self._over.wait(BEAT_SECONDS):
            try:
                self.step()
            except DuError as error:
                self._say(str(error), "failed", f"{error}; {self._so_what()}")
            except Exception as error:  # a loop that does not sign any more must say why
                self._say(str(error), "failed", f"unforeseen: {type(error).__name__}: {error}; {self._so_what()}")

    def _so_what(self) -> str:
        left = TRUST_SECONDS - (time.monotonic() - self._signed)
        return "no region is minded until it answers" if left <= 0 else f"regions are minded for {left:.0f} s more"

    def _tell_share(self, of: int, controllers: int) -> None:
        mine = sorted(self._mine - self._leaving)
        names = ", ".join(mine[:_SHOWN]) + (", …" if len(mine) > _SHOWN else "")
        words = f"minds {len(mine)} of {of} regions, as one of {controllers} controllers{f': {names}' if names else ''}"
        self._say((tuple(mine), controllers), "share", words)

    def _say(self, key: object, kind: Literal["share", "failed"], words: str) -> None:
        if key != self._told:
            self._told = key
            self._tell(kind, words)
