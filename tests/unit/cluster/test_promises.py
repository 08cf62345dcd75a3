"""What the planner promises holds for every cluster, possible or not, and whatever is wished of it."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.cluster.action import Action
from du_infra.cluster.backup import fresh
from du_infra.cluster.plan import next_turn, plan_membership
from du_infra.cluster.quorum import has_quorum, healthy, voters
from du_infra.cluster.seats import without_idle_witness
from du_infra.cluster.standing import is_server, keeps_data, spent, stopped, usable, wanted, well
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.cluster.versions import lowest, minor, parse
from tests.unit.cluster.clusters import any_clusters

SETTINGS = settings(max_examples=25, deadline=None)
seeds = st.integers(0, 2**32)
REMOVALS = ("annotate-removal", "remove-etcd-member")
JOINS = ("bootstrap", "join-agent", "join-server", "join-witness", "restore")


def clusters(seed: int) -> Iterator[tuple[Wish, Observed]]:
    """Any clusters, with the wish as it counts."""
    for wish, observed in any_clusters(seed):
        yield without_idle_witness(wish, observed), observed


def step(wish: Wish, observed: Observed) -> list[tuple[Action, Member]]:
    turn = next_turn(wish, observed)
    return [(action, found) for action in turn.step if (found := observed.find(action.node))]


@SETTINGS
@given(seeds)
def test_the_same_is_planned_twice_and_every_plan_ends(seed: int) -> None:
    for wish, observed in clusters(seed):
        plan = plan_membership(wish, observed)
        assert plan == plan_membership(wish, observed)
        assert len(plan.steps) < 200
        assert plan.step == next_turn(wish, observed).step


@SETTINGS
@given(seeds)
def test_one_thing_at_a_time_but_for_agents_that_join_or_start(seed: int) -> None:
    for wish, observed in clusters(seed):
        done = step(wish, observed)
        assert len(done) == len(next_turn(wish, observed).step)
        assert len({action.node for action, _ in done}) == len(done)
        assert len(done) <= 1 or {(a.kind, m.role == "server") for a, m in done} <= {
            ("join-agent", False),
            ("join-agent", True),
            ("start", False),
        }


@SETTINGS
@given(seeds)
def test_etcd_never_loses_its_majority_by_a_removal_and_two_are_never_removed_at_once(seed: int) -> None:
    for wish, observed in clusters(seed):
        for action, member in step(wish, observed):
            if action.kind not in REMOVALS:
                continue
            assert member.etcd is not None
            assert observed.api
            others = [m for m in voters(observed) if m != member]
            assert not any(m.removing and m.etcd for m in observed.members)
            assert has_quorum(voters(observed))
            assert member.etcd.learner or (others and has_quorum(others))
            if member in healthy(voters(observed)):
                assert all(well(m) for m in others)
                assert not wanted(member, wish) or usable(member)


@SETTINGS
@given(seeds)
def test_no_server_is_stopped_or_destroyed_that_has_the_only_data_or_a_vote(seed: int) -> None:
    for wish, observed in clusters(seed):
        for action, member in step(wish, observed):
            if action.kind in ("stop", "destroy") and observed.api:
                assert member.etcd is None
                if is_server(member):
                    assert any(well(m) and is_server(m) for m in observed.members if m != member)
                if keeps_data(member):
                    assert action.kind == "destroy"
                    assert stopped(member)


@SETTINGS
@given(seeds)
def test_a_node_leaves_the_api_after_it_was_stopped_and_its_machine_goes_last(seed: int) -> None:
    for wish, observed in clusters(seed):
        for action, member in step(wish, observed):
            if action.kind in ("delete-node", "delete-secret", "destroy"):
                assert stopped(member)
                assert not wanted(member, wish)
                assert member.etcd is None
                assert observed.api
            if action.kind == "destroy":
                assert (member.node, member.secret, member.shared) == ("absent", False, False)
            if action.kind == "halt":
                assert member.dead
                assert not member.shared


@SETTINGS
@given(seeds)
def test_no_name_is_used_again_and_whoever_tries_is_told(seed: int) -> None:
    for wish, observed in clusters(seed):
        turn = next_turn(wish, observed)
        for action, member in step(wish, observed):
            if action.kind in JOINS:
                assert not spent(member)
                assert usable(member)
                assert wanted(member, wish)
        if not turn.step and not turn.holds and not turn.asks and observed.api:
            tried = [m for name in wish.nodes if (m := observed.find(name)) and spent(m) and m.machine == "running"]
            assert all(any(word.startswith(m.name) for word in turn.waits) for m in tried if not m.dead)


@SETTINGS
@given(seeds)
def test_a_cluster_begins_once_and_comes_back_only_by_a_persons_word(seed: int) -> None:
    for wish, observed in clusters(seed):
        turn = next_turn(wish, observed)
        for action, _ in step(wish, observed):
            if action.kind == "bootstrap":
                assert not observed.born
                assert not any(m.joined or m.etcd for m in observed.members)
            if action.kind in ("restore", "reset"):
                assert wish.may_restore
                assert not observed.api
                others = [m for m in observed.members if keeps_data(m) and m.name != action.node]
                assert all(stopped(m) for m in others)
        assert not turn.asks or (turn.waits and not turn.step and not wish.may_restore)


@SETTINGS
@given(seeds)
def test_two_servers_on_embedded_etcd_are_never_left_at_that(seed: int) -> None:
    for wish, observed in clusters(seed):
        if observed.datastore == "etcd" and len(voters(observed)) == 2:
            assert not plan_membership(wish, observed).done


@SETTINGS
@given(seeds)
def test_no_server_joins_etcd_while_another_joins_leaves_or_is_not_well(seed: int) -> None:
    for wish, observed in clusters(seed):
        for action, _ in step(wish, observed):
            if action.kind in ("join-server", "join-witness") and observed.datastore == "etcd" and observed.api:
                assert all(well(m) for m in voters(observed))
                assert not any(m.etcd and (m.etcd.learner or m.removing) for m in observed.members)


@SETTINGS
@given(seeds)
def test_versions_go_up_one_minor_at_a_time_servers_first_and_from_a_backup(seed: int) -> None:
    for wish, observed in clusters(seed):
        there = [m for m in observed.members if m.joined and m.role and m.machine != "gone" and not m.dead]
        servers = [m.version for m in there if m.role != "agent" and (wanted(m, wish) or keeps_data(m))]
        for action, member in step(wish, observed):
            if action.kind == "join-agent" and servers:
                assert not lowest(servers) or parse(action.version) <= parse(lowest(servers))
            if action.kind != "upgrade":
                continue
            assert parse(action.version) > parse(member.version)
            assert not member.version or minor(action.version) <= minor(member.version) + 1
            assert all(well(m) for m in voters(observed))
            if member.role == "agent":
                assert parse(action.version) <= parse(lowest(servers))
            else:
                saved = fresh(observed) and observed.backup and observed.backup.verified
                assert saved or observed.datastore == "external"
                assert all(
                    minor(action.version) - minor(m.version) <= 1 for m in there if m.role != "agent" if wanted(m, wish)
                )


@SETTINGS
@given(seeds)
def test_nothing_to_do_is_said_only_when_every_wanted_node_is_well(seed: int) -> None:
    for wish, observed in clusters(seed):
        if plan_membership(wish, observed).done:
            assert all((found := observed.find(name)) and well(found) for name in wish.nodes)
            assert not any(not wanted(m, wish) and m.etcd for m in observed.members)
            assert not any(not wanted(m, wish) and m.machine == "running" and not m.shared for m in observed.members)
