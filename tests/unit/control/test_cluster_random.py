"""Whatever happens to a region's nodes and to the controller: one cluster, and in the end the pool's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from du_infra.control.cluster.loop import part, settle
from du_infra.control.context import RegionContext
from du_infra.errors import DuError
from du_infra.pool.plan import PoolRecord
from du_infra.progress import silent
from tests.unit.control.k3s_world import Killed, World, pool, region
from tests.unit.control.test_cluster import world as world
from tests.unit.control.test_external import ENDPOINT, OF_ENV

HAPPENS = st.one_of(
    st.tuples(st.just("grow"), st.just(0)),
    st.tuples(st.just("shrink"), st.integers(1, 3)),
    st.tuples(st.sampled_from(["crash", "stop", "cut off", "delete node"]), st.integers(1, 3)),
)
LIVES = st.one_of(st.just(999), st.integers(0, 6))


@pytest.mark.parametrize("external", [False, True])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=st.lists(st.tuples(HAPPENS, LIVES, st.booleans()), max_size=7))
def test_one_cluster_whatever_happens(
    world: World, story: list[tuple[tuple[str, int], int, bool]], external: bool
) -> None:
    world.__init__(login=ENDPOINT)  # type: ignore[misc]
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setenv("K3S_DATASTORE", ENDPOINT)
        context = region(Path(folder), world, OF_ENV if external else "")
        record = pool(context, world, 1)
        for (what, number), lives, late in story:
            world.lives, world.late = lives, late
            record = _happens(context, world, record, what, number)
        world.lives = 999
        for host in world.hosts.values():
            host.answers, host.slow = True, 1
        for _ in range(3):  # who was killed has its command run again
            record = _try(context, world, record)
        settle(context, record, silent)
    names = {node.name for node in record.nodes}
    assert {name for name, host in world.hosts.items() if host.runs} == names
    assert (set(world.nodes), set(world.passwords)) == (names, names)
    assert not any(row["cordoned"] for row in world.nodes.values())
    assert world.clusters == 1
    servers = [host for host in world.hosts.values() if host.runs and host.role == "server"]
    assert len(servers) == (min(2, len(names)) if external else 1)


def _happens(context: RegionContext, world: World, record: PoolRecord, what: str, number: int) -> PoolRecord:
    name = f"demo-home-{number}"
    host = world.hosts.get(name)
    if what == "grow" and len(record.nodes) < 4:
        record = _grown(context, world, record)
    elif what == "shrink" and number > 1 and host and any(node.name == name for node in record.nodes):
        nodes = tuple(replace(n, state="leaving") if n.name == name else n for n in record.nodes)
        record = replace(record, nodes=nodes)
    elif what in ("crash", "stop") and host and host.role:
        host.service = "failed" if what == "crash" else "disabled"
    elif what == "cut off" and host and number > 1:
        host.answers = False
    elif what == "delete node" and number > 1:
        world.nodes.pop(name, None)
    return _try(context, world, record)


def _try(context: RegionContext, world: World, record: PoolRecord) -> PoolRecord:
    """What `region up` does of it: all who stay are part of the cluster, then who is to go leaves and is destroyed."""
    try:
        settle(context, record, silent)
        for name in record.going:
            mute = () if world.hosts[name].answers else (name,)
            part(context, record, [name], silent, mute)
            world.hosts[name].status = "gone"
            record = record.without([name])
    except (Killed, DuError):
        pass
    context.store.save_pool("home", record)
    return record


def _grown(context: RegionContext, world: World, record: PoolRecord) -> PoolRecord:
    fresh = pool(context, world, 1, first=record.counter + 1)
    return PoolRecord(record.vip, record.counter + 1, (*record.nodes, *fresh.nodes))
