"""A node on paper: it carries out actions and checks after each that the planner kept its promises."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from du_node.actions import (
    Action,
    AwaitReady,
    Drain,
    Pull,
    Remove,
    RemoveImage,
    Restart,
    Run,
    SetRoutes,
    Start,
    StartGateway,
    Stop,
)
from du_node.plan import abandon, plan
from du_node.state import Container, Gateway, Observed, Pair, Route, Service, Wanted
from du_node.table import Table, digest_of, pairs


class NeverReady(Exception):
    """A slot did not become ready."""


def service(name: str = "hello", release: str = "r1", **more: object) -> Service:
    """A service whose image and config follow from its release."""
    fields: dict[str, object] = {
        "name": name,
        "release": release,
        "tag": release,
        "image": f"registry/{name}@sha256:{release}",
        "digest": f"sha256:{release}",
        "port": 8080,
        "route": Route(path=f"/{name}"),
        "config": f"config-{release}",
    }
    return Service(**{**fields, **more})  # type: ignore[arg-type]


def wanted(*services: Service) -> Wanted:
    """What is wanted of the node."""
    return Wanted("demo", "home", "node-1", "c1", services)


@dataclass
class World:
    """Containers, gateway and images of a node. ``bad`` releases never become ready.

    ``draining`` holds the slots that old gateway workers still send requests to.
    """

    slots: dict[tuple[str, str], Container] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    live: Table | None = None
    disk: Table | None = None
    running: bool = True
    draining: set[tuple[str, str]] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)
    log: list[str] = field(default_factory=list)

    def observe(self) -> Observed:
        """What du-node would see."""
        containers = tuple(replace(c, ready=self.is_ready(c)) for c in self.slots.values())
        known = self.live if self.running and self.live is not None else self.disk
        return Observed(
            containers,
            Gateway(
                self.running,
                pairs(known or ()),
                self._hash(self.live) if self.running else "",
                self._hash(self.disk),
                bool(self.draining),
            ),
            frozenset(self.images),
        )

    def is_ready(self, container: Container) -> bool:
        return container.running and container.release not in self.bad

    def routed(self, name: str) -> Pair | None:
        """Where requests for a service go now; nowhere while nginx is down."""
        return pairs(self.live or ()).get(name) if self.running else None

    def served(self, name: str) -> bool:
        """Whether a routed slot of the service is ready."""
        pair = self.routed(name)
        slots = [self.slots.get((name, slot)) for slot in (pair.primary, pair.backup)] if pair else []
        return any(c is not None and self.is_ready(c) for c in slots)

    def do(self, action: Action, wanted_names: set[str]) -> None:
        """Carry out one action, and see that it broke no promise."""
        before = {name for name in wanted_names if self.served(name)}
        self._check_not_routed(action)
        self.log.append(str(action))
        try:
            self._do(action)
        finally:
            lost = {name for name in before if not self.served(name)}
            assert not lost, f"{action} left nobody to serve {lost}: {self.log}"

    def converge(self, want: Wanted, cut: int | None = None) -> frozenset[str]:
        """Like du-node apply: the services that failed are returned; ``cut`` ends it after that many actions."""
        failed: frozenset[str] = frozenset()
        names = {s.name for s in want.services}
        left = 10_000 if cut is None else cut
        for _ in range(20):
            steps = plan(want, self.observe(), keep=failed)
            if not steps:
                return failed
            for step in steps:
                if left == 0:
                    return failed
                left -= 1
                try:
                    self.do(step, names)
                except NeverReady:
                    assert isinstance(step, AwaitReady)
                    failed |= {step.container.service}
                    for undo in abandon(want, self.observe(), step.container.service, step.container.slot):
                        self.do(undo, names)
                    break
        raise AssertionError(f"does not settle: {self.log[-40:]}")

    def _check_not_routed(self, action: Action) -> None:
        if isinstance(action, Stop | Remove):
            name, slot = action.container.service, action.container.slot
            known = self.live if self.running else self.disk
            pair = pairs(known or ()).get(name)
            assert not pair or slot not in (pair.primary, pair.backup), f"{action} although it is routed: {self.log}"
        if isinstance(action, Restart):
            assert not self.is_ready(action.container)

    def _do(self, action: Action) -> None:
        if isinstance(action, StartGateway):
            self.running, self.live, self.draining = True, self.disk, set()
        elif isinstance(action, Pull):
            self.images.add(action.service.image)
        elif isinstance(action, Run):
            self._run(action)
        elif isinstance(action, Start | Restart):
            key = action.container.service, action.container.slot
            self.slots[key] = replace(self.slots[key], running=True)
        elif isinstance(action, AwaitReady):
            if not self.is_ready(self.slots[action.container.service, action.container.slot]):
                raise NeverReady
        elif isinstance(action, SetRoutes):
            self._set_routes(action.table)
        elif isinstance(action, Drain):
            self.draining = set()
        elif isinstance(action, Stop):
            key = action.container.service, action.container.slot
            assert key not in self.draining, f"old workers still send requests there: {self.log}"
            self.slots[key] = replace(self.slots[key], running=False)
        elif isinstance(action, Remove):
            container = self.slots.pop((action.container.service, action.container.slot))
            assert not container.running
        elif isinstance(action, RemoveImage):
            assert action.image not in {c.image for c in self.slots.values()}
            self.images.remove(action.image)

    def _run(self, action: Run) -> None:
        made = action.service
        assert made.image in self.images, "an image is pulled before it is run"
        assert (made.name, action.slot) not in self.slots
        assert action.port not in {c.port for c in self.slots.values()}
        self.slots[made.name, action.slot] = Container(
            made.name,
            action.slot,
            True,
            action.port,
            made.release,
            made.tag,
            made.image,
            made.digest,
            made.config,
            made.route,
        )

    def _set_routes(self, table: Table) -> None:
        assert self.running
        for item in table:
            assert self.slots[item.service, item.primary.slot].port == item.primary.port
        new = {(e.service, e.primary.slot) for e in table}
        old = {(e.service, e.primary.slot) for e in self.live or ()}
        self.draining = (self.draining | old) - new
        self.live = self.disk = table

    @staticmethod
    def _hash(table: Table | None) -> str:
        return "" if table is None else digest_of(table)
