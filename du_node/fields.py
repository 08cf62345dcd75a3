"""Reads single fields of the JSON that a controller sends; what does not fit is named in the error."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from du_node.errors import NodeError

PATH = re.compile(r"/[A-Za-z0-9._~/?=&%+:@,;!*-]*")
"""A path to ask for, with a query or without one."""

_T = TypeVar("_T")
_WORDS: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def get(data: Mapping[str, Any], key: str, kind: type[_T], where: str, default: _T | None = None) -> _T:
    """``data[key]``, which must be of ``kind``; ``default`` where it is missing or null."""
    value = data.get(key)
    if value is None and default is not None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise NodeError("bad-wanted", f"{where}: {key} must be {_WORDS[kind]}, not {value!r:.40}")
    return value


def within(data: Mapping[str, Any], key: str, where: str, low: int, high: int, default: int | None = None) -> int:
    """A whole number from ``low`` to ``high``."""
    value = get(data, key, int, where, default)
    if not low <= value <= high:
        raise NodeError("bad-wanted", f"{where}: {key} must be {low} to {high}, not {value}")
    return value


def number(data: Mapping[str, Any], key: str, where: str, low: float, high: float, default: float) -> float:
    """A number from ``low`` to ``high``, whole or not; ``default`` where it is missing or null."""
    value = data.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise NodeError("bad-wanted", f"{where}: {key} must be a number from {low:g} to {high:g}, not {value!r:.40}")
    return float(value)


def match(data: Mapping[str, Any], key: str, pattern: re.Pattern[str], where: str, default: str | None = None) -> str:
    """A text that fits ``pattern`` as a whole."""
    value = get(data, key, str, where, default)
    if not pattern.fullmatch(value):
        raise NodeError("bad-wanted", f"{where}: {key} is malformed: {value!r:.80}")
    return value


def pairs(
    data: Mapping[str, Any], key: str, name: re.Pattern[str], value: re.Pattern[str], where: str
) -> tuple[tuple[str, str], ...]:
    """An object of texts whose names fit ``name`` and whose values fit ``value``, sorted by name."""
    found = get(data, key, dict, where, {})
    for one, text in found.items():
        if not name.fullmatch(one) or not isinstance(text, str) or not value.fullmatch(text):
            raise NodeError("bad-wanted", f"{where}: {key} {one!r:.60} is malformed: {text!r:.80}")
    return tuple(sorted(found.items()))


def guard(where: str, make: Callable[[], _T]) -> _T:
    """``make()``, with ``where`` added to the error it may raise."""
    try:
        return make()
    except NodeError as bad:
        what = bad.what if bad.what.startswith(where) else f"{where}: {bad.what}"
        raise NodeError(bad.kind, what, todo=bad.todo) from bad
