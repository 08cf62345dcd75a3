"""What others said, fit to be a part of a line: nodes choose some of the words that logs and terminals get. Pure."""

from __future__ import annotations

import re

_BLANKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")


def printable(text: str) -> str:
    """``text`` on one line, and nothing in it that a terminal obeys: ESC is shown as \\x1b, a new line as a blank."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in _BLANKS.sub(" ", text))


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")
