"""Files that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step. Nobody else can read it at any moment, whatever stood there before, and its text is
    on the disk before it has its name. Raises OSError, and leaves nothing half done then.
    """
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def write_private_if_new(path: Path, text: str) -> None:
    """The same, but a file that says it already is left alone."""
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_private(path, text)
