"""A store that is a file on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from du_infra.errors import DuError, ToolMissing

PREFIX = "sqlite:///"
_LOCK_WAIT_SECONDS = 15


def engine_of(path: Path) -> Engine:
    """The database in this file, which is made when it is first used."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    options: dict[str, Any] = {"connect_args": {"timeout": _LOCK_WAIT_SECONDS}, "poolclass": NullPool}
    options["hide_parameters"] = True  # a service's env is among them, and errors go to pages and webhooks
    return create_engine(f"{PREFIX}{path}", **options)


def unusable(path: Path, error: DatabaseError) -> DuError:
    """Why it cannot be opened, in words."""
    where, words = str(path), str(error.orig)
    if not os.access(path if path.exists() else path.parent, os.R_OK | os.W_OK):
        todo = "run the command as the user who brought the fleet up"
        return ToolMissing("this user may not use the fleet's store", where=where, todo=todo, detail=words)
    return DuError(
        "the store cannot be opened",
        where=where,
        todo="check the disk and the file; it knows whose the machines are, so bring it back from a backup",
        detail=words,
    )
