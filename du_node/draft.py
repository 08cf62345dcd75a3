"""A plan in the making: the node as it will be after the actions so far."""

from __future__ import annotations

from dataclasses import replace

from du_node.actions import Action, Drain, Remove, Run, SetRoutes, Start, Stop
from du_node.state import FIRST_PORT, LAST_PORT, Container, Observed, Pair, Service, Wanted
from du_node.table import Entry, Table, digest_of, entry, pairs, settle


class Draft:
    """Collects actions and keeps the picture of containers, images and routes that they lead to."""

    def __init__(self, wanted: Wanted, seen: Observed) -> None:
        self._wanted = wanted
        self._seen = seen
        self._actions: list[Action] = []
        self._slots = {(c.service, c.slot): c for c in seen.containers}
        self._entries = self._observed_entries()
        self._table = settle(self._entries.values(), ())
        self._undrained = seen.gateway.draining
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

    def must(self, service: str, slot: str) -> Container:
        """The container of a routed slot; routes without one are dropped when the draft begins."""
        return self._slots[service, slot]

    def pair(self, service: str) -> Pair | None:
        """Where the service is routed."""
        found = self._entries.get(service)
        return pairs((found,))[service] if found else None

    def add(self, action: Action) -> None:
        """Append a step that changes neither slots nor routes."""
        self._actions.append(action)

    def drain(self) -> None:
        """Wait for old gateway workers, if there can be any that send requests elsewhere than the table says."""
        if self._undrained:
            self._actions.append(Drain())
            self._undrained = False

    def route(self, primary: Container, backup: Container | None = None) -> None:
        """Route the service to ``primary``, with ``backup`` behind it."""
        self._entries[primary.service] = entry(primary, backup)
        self._set_routes()

    def unroute(self, wanted: set[str]) -> None:
        """Take every service out of the gateway, all at once, that is not in ``wanted``."""
        gone = [name for name in self._entries if name not in wanted]
        for name in gone:
            del self._entries[name]
        if gone:
            self._set_routes()

    def settle(self) -> None:
        """Have the gateway work by the table even if no route changed: it may have lost or kept another one."""
        digest = digest_of(self._table)
        gateway = self._seen.gateway
        sent = any(isinstance(action, SetRoutes) for action in self._actions)
        if not sent and (digest != gateway.live or digest != gateway.disk):
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

    def stop(self, container: Container) -> None:
        """Stop a slot that is not routed, once no old gateway worker sends it requests."""
        self.drain()
        self._actions.append(Stop(container))
        self._slots[container.service, container.slot] = replace(container, running=False, ready=False)

    def remove(self, container: Container) -> None:
        """Remove a slot that is stopped and not routed."""
        self._actions.append(Remove(container))
        del self._slots[container.service, container.slot]

    def _observed_entries(self) -> dict[str, Entry]:
        """The live routes whose primary still has a container."""
        found = {}
        for service, pair in self._seen.gateway.pairs.items():
            primary = self._slots.get((service, pair.primary))
            if primary:
                found[service] = entry(primary, self._slots.get((service, pair.backup)))
        return found

    def _set_routes(self) -> None:
        table = self._settled()
        if table != self._table:
            stay = {(e.service, e.primary.slot) for e in table}
            self._undrained |= any((e.service, e.primary.slot) not in stay for e in self._table)
            self._table = table
            self._actions.append(SetRoutes(table))

    def _settled(self) -> Table:
        """Where two services claim one place, the one goes first that is wanted there."""
        places = {s.name: s.route for s in self._wanted.services}
        preferred = [name for name, e in self._entries.items() if places.get(name) == e.route]
        return settle(self._entries.values(), preferred)

    def _free_port(self) -> int:
        """The next port after the highest in use, so that a port is not given to another service at once."""
        taken = {c.port for c in self._slots.values()} | self._seen.ports
        ours = [port for port in taken if FIRST_PORT <= port <= LAST_PORT]
        start = max(ours, default=FIRST_PORT - 1) + 1 - FIRST_PORT
        count = LAST_PORT - FIRST_PORT + 1
        candidates = (FIRST_PORT + (start + step) % count for step in range(count))
        return next(port for port in candidates if port not in taken)
