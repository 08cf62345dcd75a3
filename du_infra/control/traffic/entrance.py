"""Everything that is needed to know of a fleet's entrance: its wish, its regions, its store, its backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from du_infra.control.context import RegionContext
from du_infra.control.traffic.servers import servers_of
from du_infra.errors import Refused, SpecError
from du_infra.health.observers import appoint
from du_infra.health.quorum import Patience, patience_of
from du_infra.pool.plan import PoolRecord
from du_infra.progress import Reporter
from du_infra.release.secrets import read_source
from du_infra.spec import FleetSpec, TrafficSpec
from du_infra.store.database import Store
from du_infra.traffic.connect import connect
from du_infra.traffic.driver import Backend
from du_infra.traffic.gdnsd.setup import Server
from du_infra.traffic.guard import check_backend


@dataclass(frozen=True)
class Entrance:
    """The ``traffic:`` of a fleet; ``folder`` is where fleet.yaml stands, ``file`` its name there."""

    fleet: FleetSpec
    folder: Path
    file: str = "fleet.yaml"

    @property
    def spec(self) -> TrafficSpec:
        """What fleet.yaml says of it. Raises SpecError where it says nothing."""
        if self.fleet.traffic is None:
            todo = "write traffic: with a zone and a record (docs/fleet.md)"
            raise SpecError("fleet.yaml names no entrance", where="traffic", todo=todo)
        return self.fleet.traffic

    @property
    def name(self) -> str:
        """The whole DNS name."""
        return self.spec.name

    @property
    def lease(self) -> str:
        """Held by the one who changes it. No region's name has a blank, so that it is no region's."""
        return f"traffic of {self.name}"

    @property
    def patience(self) -> Patience:
        """How long observers must agree."""
        return patience_of(self.spec)

    @cached_property
    def regions(self) -> dict[str, RegionContext]:
        """All regions of the fleet."""
        return {name: RegionContext(self.fleet, name, self.folder, file=self.file) for name in self.fleet.regions}

    @cached_property
    def observers(self) -> dict[str, tuple[str, ...]]:
        """Who observes each region."""
        return appoint(self.fleet.regions)

    @cached_property
    def store(self) -> Store:
        """The fleet's store. Raises Refused where there is none yet: no region was ever brought up."""
        first = next(iter(self.regions.values()))
        if not first.is_begun:
            todo = f"`du-infra region up {first.name}` brings one up"
            raise Refused("no region of the fleet is up, so there is nothing to lead to", where=self.name, todo=todo)
        return first.store

    def records(self) -> dict[str, PoolRecord]:
        """Each region's nodes and address; empty records of those that are not up."""
        found = self.store.pools()
        return {name: found.get(name, PoolRecord()) for name in self.regions}

    def addresses(self, records: Mapping[str, PoolRecord]) -> dict[str, str]:
        """Where the world finds each region; "" where it is not up."""
        given = self.spec.addresses
        return {name: given.get(name, record.vip) if record.nodes else "" for name, record in records.items()}

    def servers(self, records: Mapping[str, PoolRecord]) -> tuple[Server, ...]:
        """The gdnsd's of ``backend: gdnsd``, with these nodes in its regions; none for another backend."""
        if self.spec.backend != "gdnsd":
            return ()
        return servers_of(self.spec.gdnsd, self.regions, lambda name: records[name])

    def backend(self, servers: tuple[Server, ...], report: Reporter) -> Backend:
        """What answers DNS; nothing is asked yet. Raises Refused for what it cannot do, and what ``connect`` does."""
        token = self.spec.hetzner.token
        found = connect(self.spec, servers, lambda: read_source("traffic.hetzner.token", token, self.folder), report)
        check_backend(self.spec, found.capabilities())
        return found
