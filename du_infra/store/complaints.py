"""What PostgreSQL says when it will not, as errors of ours."""

from __future__ import annotations

import re
from collections.abc import Callable

import psycopg

from du_infra.errors import Busy, DuError, EngineFailed, ToolMissing, Unreachable

_AGAIN = "nothing is half done; run the same command again"
_MAKE = "have its administrator make it: createdb -O USER DATABASE"
_HBA = "see pg_hba.conf on the server, and `sslmode` in state"
_PASSWORD = "put the right one where `state_password` says, or into libpq's passfile (mode 0600)"  # noqa: S105 - words

# A connection that fails has no code, only words; a server that speaks another language falls through to the last line.
_CONNECT: tuple[tuple[str, type[DuError], str, str], ...] = (
    (r"password authentication failed|no password supplied", ToolMissing, "PostgreSQL refuses the password", _PASSWORD),
    (r'role "[^"]*" does not exist', ToolMissing, "PostgreSQL does not know this user", "createuser, on the server"),
    (r"authentication failed", ToolMissing, "PostgreSQL does not let this user in", _HBA),
    (r"no pg_hba\.conf entry", ToolMissing, "PostgreSQL lets nobody in from here with this user", _HBA),
    (r'database "[^"]*" does not exist', ToolMissing, "there is no such database", _MAKE),
    (r"permission denied for database", ToolMissing, "this user may not use the database", "GRANT CONNECT ON DATABASE"),
    (r"too many|remaining connection slots", Unreachable, "PostgreSQL has no connection left", "raise max_connections"),
    (r"starting up|shutting down|recovery mode", Unreachable, "PostgreSQL is starting or stopping", _AGAIN),
    (
        r"certificate|SSL|TLS",
        ToolMissing,
        "no safe connection to PostgreSQL",
        "see `sslmode` and `sslrootcert` in state",
    ),
    (
        r"invalid connection option|definition of service",
        ToolMissing,
        "libpq does not understand `state`",
        "see its ?…",
    ),
)
_GRANT = "GRANT USAGE, CREATE ON SCHEMA public TO USER, as its owner; or have USER own the database"
_STANDBY = "name the primary, or all hosts with ?target_session_attrs=read-write"
_STATES: tuple[tuple[str, Callable[..., DuError], str, str], ...] = (
    (r"42501", ToolMissing, "this user may not do that in the database", _GRANT),
    (r"3F000", ToolMissing, "there is no such schema", "create it, or mend search_path in state"),
    (r"25006", ToolMissing, "this PostgreSQL is a standby, and only reads", _STANDBY),
    (r"53300", Unreachable, "PostgreSQL has no connection left", "raise max_connections"),
    (r"53...", EngineFailed, "PostgreSQL has no room left", "see its disk and memory; then run the same command again"),
    (r"55P03|57014|40P01", Busy, "others were at the store for too long", _AGAIN),
    (r"58...|XX...", EngineFailed, "PostgreSQL is in trouble", "see its log"),
    (r"08...|57P0.|25P03", Unreachable, "PostgreSQL went away meanwhile", _AGAIN),
)
_TRANSIENT = re.compile(
    r"refused|starting up|shutting down|recovery mode|too many|remaining connection slots|closed the connection"
    r"|No such file|reset by peer",
    re.IGNORECASE,
)


def cannot_connect(error: psycopg.Error, where: str) -> DuError:
    """Why no connection was made."""
    said = str(error)
    for pattern, kind, what, todo in _CONNECT:
        if re.search(pattern, said):
            return kind(what, where=where, todo=todo, detail=said)
    return Unreachable("PostgreSQL does not answer", where=where, todo="see that it runs; " + _AGAIN, detail=said)


def passes_soon(error: psycopg.Error) -> bool:
    """Whether another try a moment later may well succeed: a server that is being restarted."""
    return isinstance(error, psycopg.OperationalError) and bool(_TRANSIENT.search(str(error)))


def failed(error: psycopg.Error, where: str, *, cut: bool) -> DuError | None:
    """Why a statement failed; None for what is no user's matter (a row that is there twice). ``cut``: with its
    connection."""
    state = error.sqlstate or ("08000" if cut else "")
    for pattern, kind, what, todo in _STATES:
        if re.fullmatch(pattern, state):
            return kind(what, where=where, todo=todo, detail=str(error))
    return None
