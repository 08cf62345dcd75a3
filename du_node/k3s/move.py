"""A server's data moves from sqlite to etcd, by K3s's own start with ``cluster-init``; or back, when that failed.

Source: K3s 1.34, pkg/etcd (migrateFromSQLite): the database is put aside as state.db.migrated once every key is in
etcd. Where it breaks off, the next start takes the half-filled etcd for the whole, so K3s must not start again then.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

from du_node import files as plain
from du_node import places
from du_node.errors import NodeError
from du_node.k3s import files, join, unit

NOTE = f"{places.STATE}/k3s-move.json"
"""{"state": "moving", "done" or "undone", "at"}: unix seconds. While it says "undone" the move is not tried again."""

_FAILED = "failed to migrate content from sqlite to etcd"
_POLL_SECONDS = 0.2
_LATE_SECONDS = 600.0


def migration() -> str:
    """How the move to etcd went, if not well: "failed" (then it is to be undone), "undone", else ""."""
    note = plain.read_json(NOTE)
    if note.get("state") == "undone":
        return "undone" if files.datastore() == "sqlite" else ""
    if note.get("state") != "moving" or _moved():
        return ""
    begun, service = files.has_etcd(), unit.service("server")
    if service == "running":
        return "failed" if begun else ""
    if service != "starting":
        return "failed"
    at = float(note.get("at") or 0.0)
    return "failed" if _said_so(at) or time.time() - at > _LATE_SECONDS else ""


def moved_s() -> float | None:
    """Seconds since this server's data moved to etcd, or etcd's was reset or restored; None where it has not.

    etcd counts its revisions from 1 again, or from fewer: whoever has watched the API since before hears of nothing
    until etcd has counted as far, and has to begin anew.
    """
    note = plain.read_json(NOTE)
    if note.get("state") not in ("moving", "done") or not _moved():
        return None
    if note["state"] == "moving":
        return round(unit.seconds_up("server")[0], 1)
    return round(time.time() - float(note.get("at") or 0.0), 1)


def note_moved() -> None:
    """Write down that etcd has other data than before, which may count fewer revisions."""
    _note("done")


def migrate(seconds: int, tell: Callable[[str], None]) -> bool:
    """Have this server keep its data in etcd; whether anything had to be done for it.

    Raises NodeError refused where it is no server with sqlite, and when the move has failed: K3s is stopped then.
    """
    if files.role() != "server":
        raise NodeError("refused", "K3s on this node is no server")
    if _moved():
        if plain.read_json(NOTE).get("state") == "moving":
            _note("done")
        return False
    if not _database().exists() or migration() == "failed":
        raise NodeError("refused", "there is no whole sqlite database to move: what was begun is to be undone first")
    _note("moving")
    files.move_to_etcd(True)
    tell("K3s starts again and moves its data to etcd")
    began, deadline = time.time(), time.monotonic() + seconds
    unit.start("server", again=True)
    while not (_moved() and unit.service("server") == "running"):
        late = time.monotonic() > deadline
        if late or migration() == "failed" or _said_so(began):
            unit.stop("server")
            why = f"nothing came of it within {seconds} s" if late else "K3s broke it off"
            tail = "\n".join(unit.journal("server", began)[-15:])
            todo = "run `du-infra region up`: it goes back to sqlite, which is whole"
            raise NodeError("refused", f"the move to etcd failed: {why}", todo=todo, detail=tail)
        time.sleep(_POLL_SECONDS)
    _note("done")
    return True


def undo(seconds: int, tell: Callable[[str], None]) -> bool:
    """Have this server go on with its sqlite database as it was. Raises NodeError refused where there is none."""
    aside = Path(f"{_database()}.migrated")
    if not (_database().exists() or aside.exists()):
        raise NodeError("refused", "there is no sqlite database to go back to")
    unit.stop("server")
    tell("K3s goes back to sqlite")
    files.forget_etcd()
    if not _database().exists():
        aside.replace(_database())
    files.move_to_etcd(False)
    _note("undone")
    join.start(seconds, tell)
    return True


def _moved() -> bool:
    return files.has_etcd() and not _database().exists()


def _said_so(since: float) -> bool:
    return any(_FAILED in line for line in unit.journal("server", since))


def _database() -> Path:
    return Path(files.DATA, "server/db/state.db")


def _note(state: str) -> None:
    plain.write(NOTE, json.dumps({"state": state, "at": time.time()}) + "\n")
