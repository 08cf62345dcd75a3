"""A log that others write, and that is moved aside to ``.1`` when it has grown long. Light enough for ``serve``."""

from __future__ import annotations

import os


def inode_and_size(path: str) -> tuple[int, int]:
    """(inode, length); zeros when there is no file."""
    try:
        found = os.stat(path)  # noqa: PTH116 - pathlib stays out of serve
    except OSError:
        return 0, 0
    return found.st_ino, found.st_size


def read_from(path: str, offset: int) -> bytes:
    """What stands there from ``offset`` on; nothing when there is no file."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            file.seek(offset)
            return file.read()
    except OSError:
        return b""
