"""Everything a command needs to know of one region: its wish, its files, its store, its provider."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from du_infra.engines.ssh import Target
from du_infra.pool.driver import Provider
from du_infra.pool.plan import PoolRecord, PoolWish, not_up
from du_infra.pool.providers import provider_for
from du_infra.pool.state import Node
from du_infra.pool.wish import Scaled, nodes_wanted
from du_infra.spec import FleetSpec, RegionSpec, ServiceSpec, services_of

if TYPE_CHECKING:
    from du_infra.store.database import Store


@dataclass(frozen=True)
class RegionContext:
    """One region of a fleet; ``folder`` is where fleet.yaml stands, ``file`` its name there.

    ``nodes``: how many nodes there should be, whatever fleet.yaml and the store say; None for their word. ``dead``:
    names of nodes that are known not to answer, so that nobody waits for them again. ``scratch``: a folder for the
    fleet's state in place of its own, for who only plans where there is none. ``may_restore``: a person has agreed
    that a cluster which lost its servers goes back to its backup.
    """

    fleet: FleetSpec
    name: str
    folder: Path
    nodes: int | None = None
    dead: frozenset[str] = frozenset()
    file: str = "fleet.yaml"
    scratch: Path | None = None
    may_restore: bool = False

    @property
    def spec(self) -> RegionSpec:
        """The region as fleet.yaml describes it."""
        return self.fleet.regions[self.name]

    @cached_property
    def services(self) -> dict[str, ServiceSpec]:
        """The services this region runs."""
        return services_of(self.fleet, self.name)

    @property
    def state(self) -> Path:
        """The fleet's own folder, 0700."""
        return self.scratch or self.folder / ".du"

    @property
    def home(self) -> Path:
        """The region's part of it."""
        return self.state / "regions" / self.name

    @property
    def terraform(self) -> Path:
        """The region's Terraform folder."""
        return self.home / "terraform"

    @property
    def key_file(self) -> Path:
        """The private SSH key of the fleet."""
        return self.state / "keys" / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The pinned host keys of the region's nodes."""
        return self.home / "known_hosts"

    @property
    def lock(self) -> Path:
        """Held while a command changes the region; it outlives the region, so that nobody locks a ghost."""
        return self.state / "locks" / self.name

    @property
    def shared(self) -> bool:
        """Whether other machines use the fleet's store, too."""
        return not self.scratch and self.fleet.state.startswith("postgresql")

    @property
    def is_begun(self) -> bool:
        """Whether anything may be recorded of the fleet; where not, nobody should make a store to find that out."""
        return self.shared or self.state.is_dir()

    @cached_property
    def store(self) -> Store:
        """The fleet's store, opened (and made) when first asked for."""
        from du_infra.store.database import Store

        self.state.mkdir(mode=0o700, exist_ok=True)
        if self.scratch:
            store = Store("sqlite:///state.db", self.scratch)
        else:
            store = Store(self.fleet.state, self.folder, self.fleet.state_password)
        store.claim(self.fleet.fleet)
        if self.shared:
            store.claim_key(self._key_mark())
        return store

    def _key_mark(self) -> str:
        """By which two machines see that they have the same SSH key; "" where there is none yet."""
        public = self.key_file.with_name(f"{self.key_file.name}.pub")
        return hashlib.sha256(public.read_bytes().strip()).hexdigest()[:16] if public.exists() else ""

    @property
    def record(self) -> PoolRecord:
        """The pool as it is recorded; empty where the region is not up. Makes no store."""
        return self.store.pool(self.name) if self.is_begun else PoolRecord()

    def must_be_up(self) -> PoolRecord:
        """``record``. Raises Refused where the region is not up."""
        record = self.record
        if not record.nodes:
            raise not_up(self.name)
        return record

    @cached_property
    def provider(self) -> Provider:
        """The region's cloud."""
        return provider_for(self.spec.provider, self.spec.runtime)

    @property
    def wish(self) -> PoolWish:
        """The pool that is asked for: by fleet.yaml, or by a scale that holds."""
        pool = self.spec.pool
        nodes = self.nodes or nodes_wanted(pool, self.scaled)
        return PoolWish(self.fleet.fleet, self.name, nodes, pool.size)

    @property
    def scaled(self) -> Scaled | None:
        """What the last scale asked for; None when nobody scaled the region."""
        return self.store.pool_wish(self.name) if self.is_begun else None

    def living(self, nodes: Iterable[Node]) -> list[Node]:
        """Those of ``nodes`` that are not known to be dead."""
        return [node for node in nodes if node.name not in self.dead]

    def target(self, node: Node) -> Target:
        """How to reach a node over SSH."""
        return Target(node.name, node.address, key_file=self.key_file, known_hosts=self.known_hosts)
