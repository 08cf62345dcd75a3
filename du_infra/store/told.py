"""What was last told of each release to those who asked to be: so that a loop that starts tells what it missed, and of
several loops one does."""

from __future__ import annotations

from sqlalchemy import Column, Connection, String, Table, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from du_infra.store.gate import Gate
from du_infra.store.tables import metadata

t = Table(
    "told",
    metadata,
    Column("region", String, primary_key=True),
    Column("service", String, primary_key=True),
    Column("mark", String, nullable=False),
)


class Told:
    """The table of what was told. ``mark``: a release and its state."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def of(self, region: str) -> dict[str, str]:
        """The marks of a region's services."""
        with self._gate.connect() as connection:
            return {row.service: row.mark for row in connection.execute(select(t).where(t.c.region == region))}

    def tell(self, region: str, service: str, before: str, mark: str) -> bool:
        """Set the mark in the place of ``before`` ("" for none). False when somebody else was quicker: he tells it."""
        key = {"region": region, "service": service}
        try:
            with self._gate.begin() as connection:
                if not before:
                    connection.execute(insert(t).values(**key, mark=mark))
                    return True
                changed = connection.execute(update(t).filter_by(**key, mark=before).values(mark=mark))
                return changed.rowcount == 1
        except IntegrityError:
            return False


def forget(connection: Connection, region: str) -> None:
    """Drop what is kept of a region."""
    connection.execute(delete(t).where(t.c.region == region))
