"""The store's tables."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, Integer, MetaData, String, Table, Text

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))

regions = Table(
    "regions",
    metadata,
    Column("name", String, primary_key=True),
    Column("vip", String, nullable=False),
    Column("counter", Integer, nullable=False),
)

nodes = Table(
    "nodes",
    metadata,
    Column("name", String, primary_key=True),
    Column("region", String, nullable=False, index=True),
    Column("size", String, nullable=False),
    Column("address", String, nullable=False),
    Column("role", String, nullable=False),
    Column("joined", Boolean, nullable=False),
    Column("state", String, nullable=False, server_default=""),
)

pool_wishes = Table(
    "pool_wishes",
    metadata,
    Column("region", String, primary_key=True),
    Column("nodes", Integer, nullable=False),
    Column("mark", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("time", Float, nullable=False),
)

releases = Table(
    "releases",
    metadata,
    Column("id", String, primary_key=True),
    Column("region", String, primary_key=True),
    Column("service", String, primary_key=True),
    Column("tag", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("settings", Text, nullable=False),
    Column("created", Float, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("time", Float, nullable=False),
    Column("region", String, nullable=False, index=True),
    Column("actor", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("text", Text, nullable=False),
)

rollouts = Table(
    "rollouts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("region", String, nullable=False, index=True),
    Column("service", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("release", String, nullable=False),
    Column("previous", String, nullable=False),
    Column("actor", String, nullable=False),
    Column("options", Text, nullable=False),
    Column("state", String, nullable=False),
    Column("direction", String, nullable=False),
    Column("request", String, nullable=False),
    Column("why", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("nodes", Text, nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    sqlite_autoincrement=True,
)

leases = Table(
    "leases",
    metadata,
    Column("name", String, primary_key=True),
    Column("owner", String, nullable=False),
    Column("what", Text, nullable=False),
    Column("taken", Float, nullable=False),
    Column("beat", Float, nullable=False),
    Column("token", String, nullable=False, server_default=""),
)
