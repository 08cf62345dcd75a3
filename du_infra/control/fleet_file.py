"""fleet.yaml as a command changes it: only what is meant, in one step, and never what somebody else wrote meanwhile."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from du_infra.errors import Busy, SpecError
from du_infra.spec.edit import Change, edited
from du_infra.spec.source import read_text


def change_file(path: Path, change: Change) -> None:
    """Bring a change into the file. Raises Refused when that cannot be done just so, Busy when somebody else was first,
    SpecError when it cannot be written.
    """
    was = read_text(path)
    text = edited(was, change, path.name)
    try:
        fresh = _written(path, text)
        if read_text(path) != was:
            fresh.unlink()
            raise Busy("somebody else changed the file just now", where=path.name, todo="run the same command again")
        fresh.replace(path)
    except OSError as error:
        raise SpecError(error.strerror or str(error), where=str(path), todo="have it writable, then again") from error


def _written(path: Path, text: str) -> Path:
    """A file beside it, with its rights."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(handle, path.stat().st_mode & 0o777)
        file.write(text)
        file.flush()
        os.fsync(handle)
    return Path(name)
