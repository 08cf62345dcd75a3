"""A node on paper: it carries out actions and checks after each that the planner kept its promises."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from du_node.actions import (
    Action,
    AwaitReady,
    Drain,
    Observe,
    Preflight,
    Pull,
    Remove,
    RemoveImage,
    Restart,
    Run,
    SetRoutes,
    Start,
    StartGateway,
    Stop,
    WarmUp,
    short,
)
from du_node.converge import converge
from du_node.errors import NodeError
from du_node.outcome import Outcome
from du_node.rollout import Rollout
from du_node.state import Container, Gateway, Observed, Pair, Route, Service, Wanted
from du_node.table import Entry, Table, digest_of, pairs

Key = tuple[str, str]
AT_THE_VERDICT = -1
"""Instead of a number of actions: killed between the verdict and what undoes the release."""
WATCHED = Rollout(canary=(5, 25), observe=30.0)


class Killed(Exception):
    """du-node was killed at this point."""


class Notes(Outcome):
    """An outcome whose result.json is a field."""

    def __init__(self) -> None:
        super().__init__()
        self.written: dict[str, object] = {}

    def write(self, *, ended: bool) -> None:
        self.written = {"ended": ended, "failed": {name: dict(line) for name, line in self.failed.items()}}


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
    """Containers, gateway and images of a node. ``bad`` releases never become ready, ``poor`` ones fail when watched.

    ``draining`` holds the slots that requests from before the last switch are still with, ``long`` those that have a
    connection which does not end by itself. ``faults`` tools fail before one works again.
    """

    slots: dict[Key, Container] = field(default_factory=dict)
    images: set[str] = field(default_factory=set)
    live: Table | None = None
    disk: Table | None = None
    running: bool = True
    draining: set[Key] = field(default_factory=set)
    long: set[Key] = field(default_factory=set)
    bad: set[str] = field(default_factory=set)
    poor: set[str] = field(default_factory=set)
    faults: int = 0
    log: list[str] = field(default_factory=list)
    result: dict[str, object] = field(default_factory=dict)
    asked: Wanted | None = None
    cut: int = 0

    def observe(self) -> Observed:
        """What du-node would see."""
        known = self.live if self.running and self.live is not None else self.disk
        routed = pairs(known or ())
        containers = tuple(self._seen(key, c, routed) for key, c in self.slots.items())
        live = self._hash(self.live) if self.running else ""
        return Observed(containers, Gateway(self.running, routed, live, self._hash(self.disk)), frozenset(self.images))

    def _seen(self, key: Key, container: Container, routed: dict[str, Pair]) -> Container:
        pair = routed.get(container.service)
        unused = pair is not None and container.slot not in pair.slots
        connections = (key in self.draining) + (key in self.long) if unused else 0
        return replace(container, ready=self.is_ready(container), connections=connections)

    def is_ready(self, container: Container) -> bool:
        return container.running and container.release not in self.bad

    def entry(self, name: str) -> Entry | None:
        """How the live gateway routes a service; not at all while it is down."""
        return next((e for e in self.live or () if e.service == name), None) if self.running else None

    def routed(self, name: str) -> Pair | None:
        """Where requests for a service go now."""
        found = self.entry(name)
        return found.pair if found else None

    def served(self, name: str) -> bool:
        """Whether a slot that requests go to, or fall back to, is ready."""
        pair = self.routed(name)
        slots = [self.slots.get((name, slot)) for slot in (pair.primary, pair.backup, pair.canary)] if pair else []
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

    def apply(self, want: Wanted, kill_after: int | None = None) -> frozenset[str]:
        """Like du-node apply: the services that failed are returned; it is killed after so many actions."""
        resumed = want == self.asked and self.result.get("failed") and not self.result.get("ended")
        self.asked, self.result = want, self.result if resumed else {}
        return self._converge(want, kill_after)

    def heal(self, kill_after: int | None = None) -> frozenset[str]:
        """Like du-node heal, for what was asked last."""
        assert self.asked is not None
        return self._converge(self.asked, kill_after)

    converge = apply

    def _converge(self, want: Wanted, kill_after: int | None) -> frozenset[str]:
        left = [10_000 if kill_after in (None, AT_THE_VERDICT) else kill_after]
        names = {s.name for s in want.services}
        notes = Notes.resumed(self.result)
        assert isinstance(notes, Notes)

        def do(action: Action) -> None:
            if not left[0] or (kill_after == AT_THE_VERDICT and notes.written.get("failed")):
                raise Killed
            left[0] -= 1
            self.do(action, names)

        try:
            converge(want, notes, self.observe, do, lambda **_: None)
            notes.end()
        except Killed:
            pass
        except NodeError as trouble:
            assert "does not work" in str(trouble), f"{trouble}: {self.log[-40:]}"
        finally:
            self.result = notes.written or self.result
        return notes.keep

    def _check_not_routed(self, action: Action) -> None:
        if isinstance(action, Stop | Remove):
            name, slot = action.container.service, action.container.slot
            known = self.live if self.running else self.disk
            pair = pairs(known or ()).get(name)
            assert not pair or slot not in pair.slots, f"{action} although it is routed: {self.log}"
        if isinstance(action, Restart):
            assert not self.is_ready(action.container)

    def _do(self, action: Action) -> None:
        assert short(action)
        if self.faults and not isinstance(action, StartGateway | RemoveImage):
            self.faults -= 1
            raise NodeError("gateway" if isinstance(action, SetRoutes) else "tool", f"{action}: does not work")
        if isinstance(action, StartGateway):
            self.running, self.live, self.draining = True, self.disk, set()
        elif isinstance(action, Pull):
            self.images.add(action.service.image)
        elif isinstance(action, Run):
            self._run(action)
        elif isinstance(action, Start | Restart):
            key = action.container.service, action.container.slot
            self.slots[key] = replace(self.slots[key], running=True)
        elif isinstance(action, AwaitReady | WarmUp):
            if not self.is_ready(self.slots[action.container.service, action.container.slot]):
                raise NodeError("not-ready", f"{action}: never")
        elif isinstance(action, SetRoutes):
            self._set_routes(action.table)
        elif isinstance(action, Observe):
            self._watch(action)
        elif isinstance(action, Drain):
            self.draining.discard((action.container.service, action.container.slot))
        elif isinstance(action, Stop):
            self._stop(action)
        elif isinstance(action, Remove):
            container = self.slots.pop((action.container.service, action.container.slot))
            assert not container.running, f"removed while it ran: {self.log}"
        elif isinstance(action, RemoveImage):
            assert action.image not in {c.image for c in self.slots.values()}
            self.images.remove(action.image)
        else:
            assert isinstance(action, Preflight)

    def _watch(self, action: Observe) -> None:
        pair = self.routed(action.new.service)
        assert pair, self.log
        if action.share == 100:
            assert (pair.primary, pair.backup) == (action.new.slot, action.old.slot), self.log
        else:
            assert (pair.primary, pair.canary, pair.share) == (action.old.slot, action.new.slot, action.share), self.log
        if action.new.release in self.poor or not self.is_ready(self.slots[action.new.service, action.new.slot]):
            raise NodeError("observation", f"{action}: bad")

    def _stop(self, action: Stop) -> None:
        key = action.container.service, action.container.slot
        assert key not in self.draining, f"requests from before the switch are still there: {self.log}"
        if key in self.long and not action.cut:
            return
        self.cut += key in self.long
        self.long.discard(key)
        self.slots[key] = replace(self.slots[key], running=False)

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
            for side in item.upstreams:
                assert self.slots[item.service, side.slot].port == side.port, self.log
            assert len(set(item.slots)) == len(item.slots), f"a slot has two roles: {item}"
        for item in self.live or ():
            self._check_share(item, next((e for e in table if e.service == item.service), None))
        self._check_held(table)
        new = {(e.service, slot) for e in table for slot in _used(e)}
        old = {(e.service, slot) for e in self.live or () for slot in _used(e)}
        self.draining = (self.draining | old) - new
        self.live = self.disk = table

    def _check_share(self, before: Entry, after: Entry | None) -> None:
        """On the way forward the share of a canary only grows; on the way back it goes at once."""
        if after and before.canary and before.canary == after.canary:
            assert after.share >= before.share, f"{before.share} → {after.share}: {self.log}"

    def _check_held(self, table: Table) -> None:
        """A release that is held gets no request: whoever it is that asks for port 80, the earlier release answers."""
        before = {e.service: e for e in self.live or ()}
        for service in self.asked.services if self.asked else ():
            after = next((e for e in table if e.service == service.name), None)
            if not service.rollout.hold or not after or service.name not in before:
                continue
            used = {slot for slot in _traffic(after) if self.slots[service.name, slot].serves(service)}
            gone = any((service.name, slot) not in self.slots for slot in _traffic(before[service.name]))
            assert gone or used <= set(_traffic(before[service.name])), f"{after}: {self.log}"

    @staticmethod
    def _hash(table: Table | None) -> str:
        return "" if table is None else digest_of(table)


def _used(entry: Entry) -> tuple[str, ...]:
    """The slots that requests are sent to, a failure of the others or not."""
    return tuple(side.slot for side in (entry.primary, entry.canary, entry.preview) if side)


def _traffic(entry: Entry) -> tuple[str, ...]:
    """The slots that a request to port 80 can come to."""
    return tuple(side.slot for side in (entry.primary, entry.backup, entry.canary) if side)
