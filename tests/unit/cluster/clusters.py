"""Clusters for tests: some that are well, and any that hypothesis can think of, possible or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

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


_mostly = [True, True, True, False]
_rarely = [False, False, False, True]
etcds = st.none() | st.builds(EtcdMember, healthy=st.sampled_from(_mostly), learner=st.sampled_from(_rarely))


@st.composite
def members(draw: st.DrawFn, name: str, datastore: str) -> Member:
    """One member: as it should be in some role, and then some of its facts changed at random."""
    role = draw(st.sampled_from(["", "agent", "server", "server"] if name != WITNESS else ["", "witness", "witness"]))
    keeper = role in ("server", "witness")
    found = Member(name, shared=name == WITNESS)
    if role:
        etcd = EtcdMember(name) if keeper and datastore == "etcd" else None
        found = agent(name, role=role, datastore=datastore if keeper else "", etcd=etcd, shared=name == WITNESS)
    changes: dict[str, st.SearchStrategy[Any]] = {
        "machine": st.sampled_from(["running", "stopped", "gone"]),
        "answers": st.just(False),
        "dead": st.just(True),
        "role": st.sampled_from(["", "agent", "server"]) if name != WITNESS else st.sampled_from(["", "witness"]),
        "service": st.sampled_from(["running", "starting", "stopped", "disabled", "failed", "unknown"]),
        "node": st.sampled_from(["ready", "not-ready", "absent", "unknown"]),
        "cordoned": st.booleans(),
        "drained": st.booleans(),
        "version": st.sampled_from(["", "v1.32.5+k3s1", OLD, NEW, "v1.36.0+k3s1"]),
        "datastore": st.sampled_from(["", "sqlite", "etcd", "external"]),
        "etcd": etcds,
        "removing": st.booleans(),
        "joined": st.booleans(),
        "secret": st.booleans(),
    }
    chosen = draw(st.lists(st.sampled_from(sorted(changes)), max_size=3, unique=True))
    return replace(found, **{key: draw(changes[key]) for key in chosen})


@st.composite
def observations(draw: st.DrawFn) -> Observed:
    datastore = draw(st.sampled_from(["sqlite", "etcd", "etcd", "etcd", "external", ""]))
    names = draw(st.lists(st.sampled_from([*NAMES, WITNESS]), max_size=6, unique=True))
    age = draw(st.sampled_from([None, 0.0, 600.0, 5000.0]))
    return Observed(
        members=tuple(draw(members(name, datastore)) for name in names),
        api=draw(st.sampled_from(_mostly)),
        born=draw(st.sampled_from(_mostly)),
        datastore=datastore,  # type: ignore[arg-type]
        backup=None if age is None else Backup(10_000.0 - age, draw(st.booleans())),
        migration=draw(st.sampled_from(["", "", "", "failed", "undone"])),
        now=10_000.0,
    )


wishes = st.builds(
    Wish,
    nodes=st.lists(st.sampled_from(NAMES), max_size=5, unique=True).map(tuple),
    version=st.sampled_from([OLD, OLD, NEW, "v1.36.0+k3s1"]),
    servers=st.sampled_from([1, 3]),
    witness=st.sampled_from(["", WITNESS]),
    external=st.sampled_from(_rarely),
    releases=st.sampled_from([(), (OLD, NEW)]),
    drained=st.lists(st.sampled_from(NAMES), max_size=1).map(tuple),
    may_restore=st.booleans(),
)
