"""The same work on several nodes at once; the first error wins after all have ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 16


def each(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """``work`` applied to every item, results in the items' order.

    Every item is worked on even if one fails; then the first error, by order of items, is raised.
    """
    if not items:
        return []
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(items))) as pool:
        return [future.result() for future in [pool.submit(work, item) for item in items]]
