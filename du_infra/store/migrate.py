"""A store gets the tables and columns that it lacks; what it holds stays as it is.

Older programs go on working, for they name the columns they use. When a change is such that they would do harm, SCHEMA
is raised with it, and they refuse.
"""

from __future__ import annotations

import hashlib

from sqlalchemy import Column, Connection, Engine, MetaData, Table, delete, func, inspect, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateColumn, CreateTable

from du_infra.errors import Refused
from du_infra.store.sql import put_once
from du_infra.store.tables import meta, metadata

SCHEMA = 1
_MIGRATION_LOCK = 0x64752D696E667261  # "du-infra"


def prepare(engine: Engine, where: str) -> None:
    """Make what is missing; other processes, on other machines too, may be doing the same.

    Raises Refused when the store is one for newer programs.
    """
    if engine.dialect.name == "postgresql":
        _prepare_shared(engine, where)
        return
    _make_tables(engine)
    add_missing_columns(engine, metadata)
    with engine.begin() as connection:
        _check(connection, where)
        put_once(connection, meta, key="schema", value=str(SCHEMA))


def add_missing_columns(engine: Engine, metadata: MetaData) -> None:
    """Add to each table what ``metadata`` has and it lacks; a new column needs a default for the rows that are there.

    Another process may be adding the same ones.
    """
    for table, column in _missing(engine, metadata):
        try:
            with engine.begin() as connection:
                _add(connection, table, column)
        except OperationalError as error:
            if "duplicate column" not in str(error.orig):
                raise


def _prepare_shared(engine: Engine, where: str) -> None:
    """One at a time, in one transaction: who is killed leaves nothing of it. Where our shape is there, it is a look."""
    shape = _shape(engine)
    with engine.begin() as connection:
        if inspect(connection).has_table(meta.name):
            _check(connection, where)
            if connection.scalar(select(meta.c.value).filter_by(key="shape")) == shape:
                return
    with engine.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(_MIGRATION_LOCK)))
        metadata.create_all(connection)
        _check(connection, where)
        for table, column in _missing(connection, metadata):
            _add(connection, table, column)
        connection.execute(delete(meta).filter_by(key="shape"))
        put_once(connection, meta, key="shape", value=shape)
        put_once(connection, meta, key="schema", value=str(SCHEMA))


def _make_tables(engine: Engine) -> None:
    for left in reversed(range(len(metadata.tables))):
        try:
            metadata.create_all(engine)
        except OperationalError as error:
            if "already exists" not in str(error.orig) or not left:
                raise
        else:
            break


def _check(connection: Connection, where: str) -> None:
    found = int(connection.scalar(select(meta.c.value).filter_by(key="schema")) or 0)
    if found > SCHEMA:
        raise Refused(
            f"a newer du-infra made this store what it is now (its schema is {found}, ours {SCHEMA})",
            where=where,
            todo="use that du-infra here, too",
        )


def _shape(engine: Engine) -> str:
    """Changes with every table and column that this program knows."""
    texts = [str(CreateTable(table).compile(dialect=engine.dialect)) for table in metadata.sorted_tables]
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:16]


def _missing(bind: Engine | Connection, metadata: MetaData) -> list[tuple[Table, Column[object]]]:
    found = inspect(bind)
    missing: list[tuple[Table, Column[object]]] = []
    for table in metadata.sorted_tables:
        there = {column["name"] for column in found.get_columns(table.name)}
        missing += [(table, column) for column in table.columns if column.name not in there]
    return missing


def _add(connection: Connection, table: Table, column: Column[object]) -> None:
    name = connection.dialect.identifier_preparer.format_table(table)
    definition = CreateColumn(column).compile(dialect=connection.dialect)
    connection.execute(text(f"ALTER TABLE {name} ADD COLUMN {definition}"))
