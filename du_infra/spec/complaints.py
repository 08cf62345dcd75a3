"""What can be wrong with a fleet file, before and after it is told to a person.

A ``Complaint`` knows an offset in the text; a ``Problem`` knows the line and column that an editor shows.
"""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

Loc: TypeAlias = tuple[str | int, ...]

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")
_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Complaint:
    """One mistake: ``at`` is a character offset (None: the whole file), ``todo`` an optional next step."""

    message: str
    loc: Loc = ()
    at: int | None = None
    todo: str = ""


class Stop(Exception):
    """Nothing more can be read after this complaint; never leaves this package.

    ``text`` is what the complaint's offset counts in, as far as it could be read.
    """

    def __init__(self, complaint: Complaint, text: str = "") -> None:
        super().__init__(complaint.message)
        self.complaint = complaint
        self.text = text


@dataclass(frozen=True)
class Problem:
    """One mistake in a fleet file. ``line`` and ``column`` count from 1; None means the file as a whole."""

    file: str
    line: int | None
    column: int | None
    path: str
    message: str
    todo: str = ""

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}:{self.column}"
        return f"{place} {self.path}: {self.message}" if self.path else f"{place}: {self.message}"

    def as_dict(self) -> dict[str, str | int | None]:
        """The stable form for programs: file, line, column, path, message."""
        message = f"{self.message}; {self.todo}" if self.todo else self.message
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "message": message,
        }


class Lines:
    """Turns offsets in a text into lines and columns, both from 1, never past the last character's line."""

    def __init__(self, text: str) -> None:
        self._end = len(text.rstrip("\n"))
        self._starts = [0, *(index + 1 for index, char in enumerate(text) if char == "\n")]

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of the character at offset ``at``."""
        at = min(at, self._end)
        line = bisect.bisect_right(self._starts, at)
        return line, at - self._starts[line - 1] + 1


def to_problem(file: str, complaint: Complaint, lines: Lines) -> Problem:
    """The complaint as a person is told it."""
    line, column = (None, None) if complaint.at is None else lines.place(complaint.at)
    return Problem(file, line, column, dotted(complaint.loc), complaint.message, complaint.todo)


def dotted(loc: Sequence[str | int]) -> str:
    """``("regions", "home", "services", 0)`` as ``regions.home.services[0]``; odd keys stand in quotes."""
    path = ""
    for part in loc:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            path += ("." if path else "") + (part if _PLAIN_KEY.fullmatch(part) else quoted(part))
    return path


def quoted(text: str) -> str:
    """``text`` in double quotes, on one line, cut when it is long; safe to print whatever it holds."""
    shown = text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"
    printable = all(char.isprintable() for char in shown)
    return json.dumps(shown, ensure_ascii=not printable)


def text_of_file_name(name: str) -> str:
    """A file name that can be printed even if its bytes are not UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
