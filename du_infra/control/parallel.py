"""The same work on several nodes at once; the first error wins after all have ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
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
    futures: list[Future[R]] = [Future() for _ in items]
    waiting = deque(zip(futures, items, strict=True))
    for _ in range(min(_AT_ONCE, len(items))):
        Thread(target=copy_context().run, args=(_work_off, work, waiting), daemon=True).start()
    try:
        wait(futures)
    finally:
        waiting.clear()
    return [future.result() for future in futures]


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
