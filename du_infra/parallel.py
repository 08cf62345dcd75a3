"""The same work on several nodes at once."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 16


def each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``work`` applied to every item, results in the items' order.

    Every item is worked on even if one fails; then the first error, by order of items, is raised. Ctrl-C waits for
    none of them: what is under way ends with the process. (A ThreadPoolExecutor would be waited for, minutes long.)
    """
    futures, waiting = _begin(work, items)
    try:
        wait(futures)
    finally:
        waiting.clear()
    return [future.result() for future in futures]


def early(
    work: Callable[[T], R], items: Sequence[T], enough: Callable[[R], bool], patience: Callable[[Sequence[T]], float]
) -> list[R | None]:
    """The same, but when one result is ``enough``, nobody is waited for longer than ``patience`` (seconds, for those
    that are still at work). Who is late has None; it goes on, and nobody learns its result.
    """
    futures, waiting = _begin(work, items)
    pending, since = set(futures), 0.0
    try:
        while pending:
            late = [item for future, item in zip(futures, items, strict=True) if future in pending]
            left = max(0.0, since + patience(late) - time.monotonic()) if since else None
            done, pending = wait(pending, left, FIRST_COMPLETED)
            if not done:
                break
            if not since and any(enough(future.result()) for future in done):
                since = time.monotonic()
    finally:
        waiting.clear()
    return [None if future in pending else future.result() for future in futures]


def _begin(work: Callable[[T], R], items: Sequence[T]) -> tuple[list[Future[R]], deque[tuple[Future[R], T]]]:
    """Threads that are at work, and what they have not yet taken up."""
    futures: list[Future[R]] = [Future() for _ in items]
    waiting = deque(zip(futures, items, strict=True))
    for _ in range(min(_AT_ONCE, len(items))):
        Thread(target=copy_context().run, args=(_work_off, work, waiting), daemon=True).start()
    return futures, waiting


def _work_off(work: Callable[[T], R], waiting: deque[tuple[Future[R], T]]) -> None:
    while True:
        try:
            future, item = waiting.popleft()
        except IndexError:
            return
        try:
            future.set_result(work(item))
        except BaseException as error:  # raised again by each()
            future.set_exception(error)
