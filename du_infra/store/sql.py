"""What SQLite and PostgreSQL do each in its own way."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import Connection, Float, Table, cast, func, select, text
from sqlalchemy.dialects import postgresql, sqlite

ALONE = 0x6475
"""The first half of our advisory locks for regions: "du"."""


def is_postgresql(connection: Connection) -> bool:
    """Whether several machines may share this store."""
    return connection.dialect.name == "postgresql"


def now(connection: Connection) -> float:
    """The time in Unix seconds by the one clock of all who share the store: PostgreSQL's, else this machine's.

    Controllers' clocks differ, so none of theirs may decide what is old.
    """
    if not is_postgresql(connection):
        return time.time()
    return float(connection.scalar(select(cast(func.extract("epoch", func.clock_timestamp()), Float))) or 0)


def put_once(connection: Connection, table: Table, **row: Any) -> None:
    """Insert a row unless its key is there already, whoever was quicker."""
    insert = postgresql.insert if is_postgresql(connection) else sqlite.insert
    connection.execute(insert(table).values(row).on_conflict_do_nothing())


def alone(connection: Connection, region: str) -> None:
    """Until the transaction ends, no other one that called this for the region goes on: for "delete, then insert".

    SQLite has one writer anyway.
    """
    if is_postgresql(connection):
        connection.execute(select(func.pg_advisory_xact_lock(ALONE, func.hashtext(region))))


def hurry(connection: Connection) -> None:
    """In this transaction wait for nobody's lock longer than a second."""
    if is_postgresql(connection):
        connection.execute(text("SET LOCAL lock_timeout = '1s'"))
