"""A plan in the making: the node as it will be after the actions so far."""

from __future__ import annotations

from dataclasses import replace

from du_node.actions import Action, Drain, Remove, Run, SetRoutes, Start, Stop
from du_node.errors import NodeError
from du_node.state import FIRST_PORT, LAST_PORT, SLOTS, Container, Observed, Pair, Service, Wanted
from du_node.table import Entry, Table, digest_of, entry, settle, with_peers

LET_RUN = 2.0
"""How long a slot that is let run is waited for, in seconds: ordinary requests have ended by then."""


class Draft:
    """Collects actions and keeps the picture of containers, images and routes that they lead to."""

    def __init__(self, wanted: Wanted, seen: Observed) -> None:
        self._services = {s.name: s for s in wanted.services}
        self._seen = seen
        self._actions: list[Action] = []
        self._slots = {(c.service, c.slot): c for c in seen.containers}
        self._entries = self._observed_entries()
        self._table = self._shared(settle(self._entries.values(), ()))
        self.images = seen.images

    @property
    def actions(self) -> tuple[Action, ...]:
        """The plan so far."""
        return tuple(self._actions)

    @property
    def containers(self) -> tuple[Container, ...]:
        """Every slot that has a container."""
        return tuple(self._slots.values())

    def container(self, service: str, slot: str) -> Container | None:
        """The slot's container, if it has one."""
        return self._slots.get((service, slot))

    def slots(self, service: str) -> dict[str, Container]:
        """The containers of a service by slot."""
        return {slot: found for slot in SLOTS if (found := self._slots.get((service, slot)))}

    def pair(self, service: str) -> Pair:
        """Where the service is routed; a pair without a primary if it is not. Every slot named has a container."""
        found = self._entries.get(service)
        return found.pair if found else Pair("")

    def add(self, action: Action) -> None:
        """Append a step that changes neither slots nor routes."""
        self._actions.append(action)

    def route(self, primary: Container, backup: Container | None = None) -> None:
        """Route the service to ``primary`` alone, or with ``backup`` behind it."""
        self._set_pair(primary, Pair(primary.slot, backup.slot if backup else ""))

    def share(self, primary: Container, canary: Container, share: int) -> None:
        """Route ``share`` percent to ``canary`` and the rest to ``primary``."""
        self._set_pair(primary, Pair(primary.slot, canary=canary.slot, share=share))

    def preview(self, primary: Container, preview: Container) -> None:
        """Route everything to ``primary``, and the preview port to ``preview``."""
        self._set_pair(primary, Pair(primary.slot, preview=preview.slot))

    def unroute(self, wanted: set[str]) -> None:
        """Take every service out of the gateway, all at once, that is not in ``wanted``."""
        gone = [name for name in self._entries if name not in wanted]
        for name in gone:
            del self._entries[name]
        if gone:
            self._set_routes("")

    def settle(self) -> None:
        """Have the gateway work by the table even if no route changed: it may have lost or kept another one, or its
        peers are others now."""
        digest = digest_of(self._table)
        gateway = self._seen.gateway
        if not self._sent and (digest != gateway.live or digest != gateway.disk):
            self._actions.append(SetRoutes(self._table))

    def run(self, service: Service, slot: str) -> Container:
        """Run the service in an empty slot on a free port."""
        port = self._free_port()
        self._actions.append(Run(service, slot, port))
        made = Container(
            service=service.name,
            slot=slot,
            running=True,
            port=port,
            release=service.release,
            tag=service.tag,
            image=service.image,
            digest=service.digest,
            config=service.config,
            route=service.route,
            start_timeout=service.start_timeout,
            stop_grace=service.stop_grace,
            unready_port=port + self._seen.unready_step if self._seen.unready_step else 0,
        )
        self._slots[service.name, slot] = made
        self.images = self.images | {service.image}
        return made

    def wake(self, container: Container) -> Container:
        """Start a slot that stands still, to serve until its successor is ready."""
        self._actions.append(Start(container, needed=False))
        woken = replace(container, running=True)
        self._slots[container.service, container.slot] = woken
        return woken

    def let_go(self, container: Container, cut_after: float | None) -> None:
        """Stop a slot that is not routed (any more), once its requests have ended, or after ``cut_after`` seconds.

        None: it is stopped only if nothing is connected to it.
        """
        self._take_off(container)
        self._actions.append(Drain(container, LET_RUN if cut_after is None else cut_after))
        self._actions.append(Stop(container, cut=cut_after is not None))
        self._slots[container.service, container.slot] = replace(container, running=False, ready=False)

    def remove(self, container: Container) -> None:
        """Remove a slot that is stopped and not routed."""
        self._take_off(container)
        self._actions.append(Remove(container))
        del self._slots[container.service, container.slot]

    @property
    def _sent(self) -> bool:
        """Whether the gateway gets a table by this plan already."""
        return any(isinstance(action, SetRoutes) for action in self._actions)

    def _take_off(self, container: Container) -> None:
        """The gateway may still name the slot beside a primary whose container is gone: our table has no such entry."""
        pair = self._seen.gateway.pairs.get(container.service)
        if pair and container.slot in pair.slots and not self._sent:
            self._actions.append(SetRoutes(self._table, container.service))

    def _observed_entries(self) -> dict[str, Entry]:
        """The live routes whose primary still has a container."""
        pairs = self._seen.gateway.pairs.items()
        routed = {name: (pair, slots) for name, pair in pairs if pair.primary in (slots := self.slots(name))}
        return {name: self._entry(slots[pair.primary], pair) for name, (pair, slots) in routed.items()}

    def _entry(self, primary: Container, pair: Pair) -> Entry:
        service = self._services.get(primary.service)
        return entry(primary, pair, self.slots(primary.service), sticky=bool(service and service.rollout.sticky))

    def _set_pair(self, primary: Container, pair: Pair) -> None:
        self._entries[primary.service] = self._entry(primary, pair)
        self._set_routes(primary.service)

    def _set_routes(self, service: str) -> None:
        table = self._settled()
        if table != self._table:
            self._table = table
            self._actions.append(SetRoutes(table, service))

    def _settled(self) -> Table:
        """Where two services claim one place, the one goes first that is wanted there."""
        routes = {name: service.route for name, service in self._services.items()}
        preferred = [name for name, e in self._entries.items() if routes.get(name) == e.route]
        return self._shared(settle(self._entries.values(), preferred))

    def _shared(self, table: Table) -> Table:
        return with_peers(table, self._seen.peers, shared=self._seen.shared)

    def _free_port(self) -> int:
        """The next port after the highest of a slot, so that a port is not given to another service at once."""
        ours = {c.port for c in self._slots.values()}
        taken = ours | self._seen.ports
        start = max(ours, default=FIRST_PORT - 1) + 1 - FIRST_PORT
        count = LAST_PORT - FIRST_PORT + 1
        candidates = (FIRST_PORT + (start + step) % count for step in range(count))
        found = next((port for port in candidates if port not in taken), 0)
        if not found:
            todo = "services that are left out of fleet.yaml give theirs back"
            raise NodeError("no-room", "every port that slots of this node may have is taken", todo=todo)
        return found
