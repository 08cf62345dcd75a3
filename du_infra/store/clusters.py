"""What must be known of a region's K3s cluster while it does not answer: that there is one, and where its data is."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Column, Connection, Float, String, Table, Text, delete, insert, select

from du_infra.store.gate import Gate
from du_infra.store.sql import alone
from du_infra.store.tables import metadata

t = Table(
    "clusters",
    metadata,
    Column("region", String, primary_key=True),
    Column("born", Float, nullable=False),
    Column("servers", Text, nullable=False),
    Column("datastore", String, nullable=False),
)


@dataclass(frozen=True)
class Cluster:
    """A cluster that has answered: names of its servers and the kind of their datastore, as last seen.

    ``born``: when it first did (unix seconds).
    """

    servers: tuple[str, ...]
    datastore: str
    born: float = 0.0


class Clusters:
    """The table of clusters, one for a region at most. Every method is one transaction."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate

    def known(self, region: str) -> Cluster | None:
        """The region's cluster; None when none has ever answered."""
        with self._gate.connect() as connection:
            row = connection.execute(select(t).filter_by(region=region)).first()
        return Cluster(tuple(json.loads(row.servers)), row.datastore, row.born) if row else None

    def note(self, region: str, servers: Iterable[str], datastore: str) -> None:
        """It answers, and these are its servers."""
        row = {"servers": json.dumps(sorted(servers)), "datastore": datastore}
        with self._gate.begin() as connection:
            alone(connection, region)
            born = connection.scalar(select(t.c.born).filter_by(region=region))
            connection.execute(delete(t).filter_by(region=region))
            connection.execute(insert(t).values(region=region, born=born or time.time(), **row))


def forget(connection: Connection, region: str) -> None:
    """Drop a region's cluster."""
    connection.execute(delete(t).where(t.c.region == region))
