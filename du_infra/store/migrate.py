"""A store that an earlier du-infra made gets the columns that came since; what it holds stays as it is."""

from __future__ import annotations

from sqlalchemy import Column, Engine, MetaData, Table, inspect, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.schema import CreateColumn


def add_missing_columns(engine: Engine, metadata: MetaData) -> None:
    """Add to each table what ``metadata`` has and it lacks; a new column needs a default for the rows that are there.

    Another process may be adding the same ones. Older programs go on working: they name the columns they use.
    """
    found = inspect(engine)
    for table in metadata.sorted_tables:
        there = {column["name"] for column in found.get_columns(table.name)}
        for column in table.columns:
            if column.name not in there:
                _add(engine, table, column)


def _add(engine: Engine, table: Table, column: Column[object]) -> None:
    name = engine.dialect.identifier_preparer.format_table(table)
    definition = CreateColumn(column).compile(dialect=engine.dialect)
    try:
        with engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE {name} ADD COLUMN {definition}"))
    except OperationalError as error:
        if "duplicate column" not in str(error.orig):
            raise
