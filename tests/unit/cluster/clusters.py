"""Clusters for tests: some that are well, and any at all, possible or not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from du_infra.cluster.state import Backup, EtcdMember, Member, Observed, Wish

OLD, NEW = "v1.34.1+k3s1", "v1.35.2+k3s1"
NAMES = [f"a-{number}" for number in range(1, 6)]
WITNESS = "w-1"


def server(name: str, **more: Any) -> Member:
    known = {"role": "server", "service": "running", "node": "ready", "version": OLD, "joined": True, "secret": True}
    return Member(name, **{**known, **more})


def voter(name: str, **more: Any) -> Member:
    return server(name, **{"datastore": "etcd", "etcd": EtcdMember(name), **more})


def agent(name: str, **more: Any) -> Member:
    return server(name, **{"role": "agent", **more})


def dead(member: Member) -> Member:
    etcd = replace(member.etcd, healthy=False) if member.etcd else None
    return replace(member, dead=True, answers=False, service="unknown", node="not-ready", etcd=etcd)


def gone(member: Member) -> Member:
    return replace(dead(member), machine="gone")


def one_server(*others: Member, **more: Any) -> Observed:
    return Observed((server("a-1", datastore="sqlite"), *others), datastore="sqlite", **more)


def three_servers(*others: Member, **more: Any) -> Observed:
    return Observed((*map(voter, ("a-1", "a-2", "a-3")), *others), datastore="etcd", **more)


def wish(*nodes: str, **more: Any) -> Wish:
    return Wish(nodes, **{"version": OLD, **more})


def any_clusters(seed: int, count: int = 20) -> Iterator[tuple[Wish, Observed]]:
    """Wishes and clusters at random. Drawn by one seed, for hypothesis would take most of the time to draw them."""
    dice = random.Random(seed)
    for _ in range(count):
        yield _wish(dice), _observed(dice)


def _wish(dice: random.Random) -> Wish:
    return Wish(
        nodes=tuple(dice.sample(NAMES, dice.randint(0, 5))),
        version=dice.choice((OLD, OLD, NEW, "v1.36.0+k3s1")),
        servers=dice.choice((1, 3)),
        witness=dice.choice(("", WITNESS)),
        external=dice.random() < 0.2,
        releases=dice.choice(((), (OLD, NEW))),
        drained=tuple(dice.sample(NAMES, dice.randint(0, 1))),
        going=tuple(dice.sample(NAMES, dice.choice((0, 0, 1, 2)))),
        may_restore=dice.random() < 0.5,
    )


def _observed(dice: random.Random) -> Observed:
    datastore = dice.choice(("sqlite", "etcd", "etcd", "etcd", "external", ""))
    names = dice.sample([*NAMES, WITNESS], dice.randint(0, 6))
    age = dice.choice((None, 0.0, 600.0, 5000.0))
    return Observed(
        members=tuple(_member(dice, name, datastore) for name in names),
        api=dice.random() < 0.7,
        born=dice.random() < 0.7,
        datastore=datastore,  # type: ignore[arg-type]
        backup=None if age is None else Backup(10_000.0 - age, dice.random() < 0.5),
        migration=dice.choice(("", "", "", "failed", "undone")),
        now=10_000.0,
    )


def _member(dice: random.Random, name: str, datastore: str) -> Member:
    """One member: as it should be in some role, and then some of its facts changed."""
    shared = name == WITNESS
    role = dice.choice(("", "witness", "witness") if shared else ("", "agent", "server", "server"))
    keeper = role in ("server", "witness")
    found = Member(name, shared=shared)
    if role:
        etcd = EtcdMember(name) if keeper and datastore == "etcd" else None
        found = agent(name, role=role, datastore=datastore if keeper else "", etcd=etcd, shared=shared)
    changes = _changes(dice, shared)
    return replace(found, **{key: changes[key] for key in dice.sample(sorted(changes), dice.choice((0, 0, 1, 2, 3)))})


def _changes(dice: random.Random, shared: bool) -> dict[str, Any]:
    etcd = EtcdMember(healthy=dice.random() < 0.7, learner=dice.random() < 0.3)
    return {
        "machine": dice.choice(("running", "stopped", "gone")),
        "answers": False,
        "dead": True,
        "role": dice.choice(("", "witness") if shared else ("", "agent", "server")),
        "service": dice.choice(("running", "starting", "stopped", "disabled", "failed", "unknown")),
        "node": dice.choice(("ready", "not-ready", "absent", "unknown")),
        "cordoned": dice.random() < 0.5,
        "drained": dice.random() < 0.5,
        "version": dice.choice(("", "v1.32.5+k3s1", OLD, NEW, "v1.36.0+k3s1")),
        "astray": dice.random() < 0.5,
        "program": dice.choice(("", OLD, NEW)),
        "datastore": dice.choice(("", "sqlite", "etcd", "external")),
        "etcd": dice.choice((None, etcd)),
        "removing": dice.random() < 0.5,
        "joined": dice.random() < 0.5,
        "secret": dice.random() < 0.5,
    }
