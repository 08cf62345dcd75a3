"""The way into a store: every transaction passes here, and a write only while what it relies on still holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, Select
from sqlalchemy.exc import TimeoutError as PoolTimeout

from du_infra.errors import Busy, Unreachable


@dataclass(frozen=True)
class Fence:
    """A row that is there as long as its writer has the right to write. ``words`` say what is lost without it."""

    row: Select[Any]
    words: str
    where: str


_fences: ContextVar[tuple[Fence, ...]] = ContextVar("fences", default=())


@contextmanager
def fenced(fence: Fence) -> Iterator[None]:
    """Within, every write of this thread (and of those that ``du_infra.parallel`` starts) passes ``fence``."""
    token = _fences.set((*_fences.get(), fence))
    try:
        yield
    finally:
        _fences.reset(token)


class Gate:
    """An engine. Both methods raise Unreachable when no connection comes free in time."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @contextmanager
    def begin(self, *, fenced: bool = True) -> Iterator[Connection]:
        """A transaction that writes. Raises Busy where a fence is gone: then nothing of it is written.

        The fence's row cannot go while the transaction lasts: who takes over waits for it.
        """
        with self._patient(), self.engine.begin() as connection:
            for fence in _fences.get() if fenced else ():
                if connection.execute(fence.row.with_for_update(read=True)).first() is None:
                    raise Busy(fence.words, where=fence.where, todo="who took over goes on with it")
            yield connection

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A transaction that reads."""
        with self._patient(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def _patient(self) -> Iterator[None]:
        try:
            yield
        except PoolTimeout as error:
            raise Unreachable("no connection to the store came free in time", todo="try again") from error
