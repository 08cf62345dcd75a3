"""What is planned in each situation, from the first step to the last."""

from __future__ import annotations

from dataclasses import replace

import pytest

from du_infra.cluster.plan import plan_membership
from du_infra.cluster.state import Backup, EtcdMember, Member, Observed, Wish
from tests.unit.cluster.clusters import NEW, OLD, agent, dead, gone, one_server, server, three_servers, voter, wish


def planned(wanted: Wish, observed: Observed) -> list[str]:
    """Each step as words; what may be done side by side is joined by "+"."""
    return [" + ".join(f"{a.kind} {a.node}" for a in step) for step in plan_membership(wanted, observed).steps]


def waits(wanted: Wish, observed: Observed) -> str:
    return "; ".join(plan_membership(wanted, observed).waits)


NEW_MACHINES = tuple(Member(f"a-{n}") for n in (1, 2, 3))
UNBORN = Observed(NEW_MACHINES, api=False, born=False)
OLD_AGENTS = tuple(agent(name, version="v1.32.5+k3s1") for name in ("a-2", "a-3"))
THREE = ("a-1", "a-2", "a-3")
COPY = ["backup a-1", "verify-backup a-1"]
GO = [*COPY, "drain a-3", "annotate-removal a-3", "stop a-3"]


def test_a_new_region_begins_with_one_server_and_the_others_join_side_by_side() -> None:
    assert planned(wish(*THREE), UNBORN) == ["bootstrap a-1", "join-agent a-2 + join-agent a-3"]
    assert plan_membership(wish(*THREE), UNBORN).step[0].datastore == "sqlite"


def test_three_servers_begin_on_etcd_and_join_one_by_one() -> None:
    assert planned(wish(*THREE, servers=3), UNBORN) == ["bootstrap a-1", "join-server a-2", "join-server a-3"]
    assert plan_membership(wish(*THREE, servers=3), UNBORN).step[0].datastore == "etcd"


def test_nothing_is_done_when_all_is_as_wanted() -> None:
    assert plan_membership(wish(*THREE), one_server(agent("a-2"), agent("a-3"))).done
    assert plan_membership(wish(*THREE, servers=3), three_servers()).done


def test_a_region_that_lost_everything_is_never_begun_again() -> None:
    lost = Observed((gone(server("a-1")), Member("a-2")), api=False, datastore="sqlite")
    assert planned(wish("a-2"), lost) == []
    assert "no backup" in waits(wish("a-2"), lost)
    forgotten = Observed((Member("a-2"),), api=False)
    assert planned(wish("a-2"), forgotten) == []
    assert "no backup" in waits(wish("a-2"), forgotten)


def test_one_server_becomes_three_from_a_backup_that_was_read_back() -> None:
    assert planned(wish(*THREE, servers=3), one_server(Member("a-2"), agent("a-3"))) == [
        *COPY,
        "migrate a-1",
        "join-server a-2",
        "drain a-3",
        "stop a-3",
        "join-server a-3",
    ]


def test_one_server_stays_one_until_there_are_machines_for_three() -> None:
    observed = one_server(agent("a-2"))
    assert planned(wish(*THREE, servers=3), observed) == []
    assert "until there are machines for 3" in waits(wish(*THREE, servers=3), observed)


def test_a_version_that_cannot_move_to_etcd_is_upgraded_first() -> None:
    broken = Observed((server("a-1", version="v1.32.5+k3s1", datastore="sqlite"), *OLD_AGENTS))
    observed = replace(broken, datastore="sqlite")
    assert "12478" in waits(wish(*THREE, servers=3, version="v1.32.5+k3s1"), observed)
    steps = planned(wish(*THREE, servers=3, version="v1.33.4+k3s1"), observed)
    assert steps.index("upgrade a-1") < steps.index("migrate a-1")


def test_a_move_to_etcd_that_failed_is_undone_and_not_tried_again_by_itself() -> None:
    wanted, observed = wish(*THREE, servers=3), one_server(agent("a-2"), agent("a-3"), migration="failed", api=False)
    assert planned(wanted, observed) == ["undo-migration a-1"]
    undone = replace(observed, migration="undone", api=True)
    assert planned(wanted, undone) == []
    assert "failed and was undone" in waits(wanted, undone)


def test_an_agent_leaves_in_the_one_order_that_brings_it_not_back() -> None:
    leaving = ["drain a-2", "stop a-2", "delete-node a-2", "destroy a-2"]
    assert planned(wish("a-1"), one_server(agent("a-2"))) == leaving
    kept = one_server(agent("a-2", service="disabled", node="absent"))
    assert planned(wish("a-1"), kept) == ["delete-secret a-2", "destroy a-2"]


def test_a_dead_agent_is_turned_off_before_it_is_forgotten() -> None:
    assert planned(wish("a-1"), one_server(dead(agent("a-2")))) == ["halt a-2", "delete-node a-2", "destroy a-2"]


def test_ghosts_are_cleaned() -> None:
    assert planned(wish("a-1"), one_server(gone(agent("a-2")))) == ["delete-node a-2"]
    assert planned(wish("a-1"), one_server(Member("a-2", machine="gone", secret=True))) == ["delete-secret a-2"]
    ghost = gone(voter("a-4", node="absent", secret=False))
    assert planned(wish(*THREE, servers=3), three_servers(replace(ghost, node="absent"))) == ["remove-etcd-member a-4"]


def test_three_servers_become_one_vote_by_vote() -> None:
    steps = planned(wish(*THREE), three_servers())
    second = [step.replace("a-3", "a-2") for step in GO[2:]]
    assert steps == [*GO, "join-agent a-3", *second, "join-agent a-2"]


def test_a_server_leaves_when_another_has_taken_its_place() -> None:
    steps = planned(wish("a-1", "a-2", "a-4", servers=3), three_servers(Member("a-4")))
    assert steps == ["join-server a-4", *GO, "delete-node a-3", "destroy a-3"]


def test_a_dead_server_leaves_etcd_first_but_only_when_another_can_take_its_place() -> None:
    wanted = wish("a-1", "a-2", "a-4", servers=3)
    lost = Observed((voter("a-1"), voter("a-2"), dead(voter("a-3"))), datastore="etcd")
    assert planned(wanted, lost) == []
    assert "stays in etcd's list until another server can take its place" in waits(wanted, lost)
    steps = planned(wanted, replace(lost, members=(*lost.members, Member("a-4"))))
    assert steps[:2] == ["remove-etcd-member a-3", "join-server a-4"]
    assert steps[2:] == ["halt a-3", "delete-node a-3", "destroy a-3"]


def test_of_two_servers_one_goes_back_when_no_third_can_come() -> None:
    two = Observed((voter("a-1"), voter("a-2"), agent("a-3", dead=True, answers=False)), datastore="etcd")
    assert "annotate-removal a-2" in planned(wish(*THREE, servers=3), two)


def test_the_only_server_is_replaced_by_way_of_etcd() -> None:
    steps = planned(wish("a-2"), one_server(Member("a-2")))
    assert steps[2:5] == ["migrate a-1", "join-server a-2", "drain a-1"]
    assert steps[-1] == "destroy a-1"


def test_two_servers_and_a_witness_are_three_votes() -> None:
    steps = planned(wish("a-1", "a-2", witness="w-1"), one_server(Member("a-2"), Member("w-1", shared=True)))
    assert steps[2:] == ["migrate a-1", "join-witness w-1", "join-server a-2"]


def test_two_servers_on_an_external_datastore_need_no_third_vote() -> None:
    steps = planned(wish("a-1", "a-2", external=True), Observed(NEW_MACHINES[:2], api=False, born=False))
    assert steps == ["bootstrap a-1", "join-server a-2"]


def test_who_is_to_go_keeps_nobody_from_its_place_on_an_external_datastore_and_serves_on_meanwhile() -> None:
    there = Observed((*(server(n, datastore="external") for n in ("a-1", "a-2")), Member("a-3")), datastore="external")
    assert planned(wish(*THREE, external=True), there) == ["join-agent a-3"]
    assert planned(wish(*THREE, external=True, going=("a-1",)), there) == ["join-server a-3"]
    crashed = replace(there.members[0], service="failed", node="not-ready")
    failed = replace(there, members=(crashed, *there.members[1:]))
    assert planned(wish(*THREE, external=True, going=("a-1",)), failed)[0] == "start a-1"
    assert planned(wish("a-2", "a-3", external=True), there)[:3] == ["join-server a-3", "drain a-1", "stop a-1"]


def test_a_lost_server_is_restored_only_by_a_persons_word() -> None:
    lost = one_server(api=False, backup=Backup(0.0, True), now=7200.0)
    lost = replace(lost, members=(dead(lost.members[0]), Member("a-2")))
    plan = plan_membership(wish("a-2"), lost)
    assert (plan.steps, [action.kind for action in plan.asks]) == ((), ["restore"])
    assert "2.0 h ago" in plan.waits[0]
    allowed = planned(wish("a-2", may_restore=True), lost)
    assert allowed == ["halt a-1", "restore a-2", "delete-node a-1", "destroy a-1"]


def test_a_lost_majority_is_reset_only_by_a_persons_word() -> None:
    lost = Observed((voter("a-1"), dead(voter("a-2")), dead(voter("a-3"))), api=False, datastore="etcd")
    assert [action.kind for action in plan_membership(wish("a-1"), lost).asks] == ["reset"]
    assert planned(wish("a-1", may_restore=True), lost)[:3] == ["halt a-2", "halt a-3", "reset a-1"]


def test_a_majority_that_may_come_back_is_waited_for() -> None:
    away = voter("a-2", machine="stopped", etcd=EtcdMember(healthy=False))
    lost = Observed((voter("a-1"), away, dead(voter("a-3"))), api=False, datastore="etcd")
    assert planned(wish("a-1", "a-2", may_restore=True), lost) == []
    assert "waiting for" in waits(wish("a-1", "a-2"), lost)


@pytest.mark.parametrize("trace", [{"secret": True}, {"node": "not-ready"}, {"joined": True}])
def test_a_name_that_another_machine_had_is_refused_in_words(trace: dict[str, object]) -> None:
    observed = one_server(replace(Member("a-2"), **trace))  # type: ignore[arg-type]
    assert planned(wish("a-1", "a-2"), observed) == []
    assert "a-2 has a name that another machine had" in waits(wish("a-1", "a-2"), observed)


def test_versions_go_up_one_minor_at_a_time_servers_first() -> None:
    steps = planned(wish("a-1", "a-2", version="v1.36.0+k3s1", releases=(NEW,)), one_server(agent("a-2")))
    once = [f"{kind} {node}" for node in ("a-1", "a-2") for kind in ("drain", "upgrade", "uncordon")]
    assert steps == [*COPY, *once, *once]
    assert "v1.35 comes before v1.36.0+k3s1" in waits(wish("a-1", version="v1.36.0+k3s1"), one_server())


def test_a_node_with_a_newer_k3s_joins_once_the_servers_have_it() -> None:
    observed = one_server(Member("a-2", program=NEW))
    assert planned(wish("a-1", "a-2", version=NEW), observed) == [*COPY, "upgrade a-1", "join-agent a-2"]
    assert "a-2 has K3s v1.35.2+k3s1, and joins once" in waits(wish("a-1", "a-2"), observed)
    assert planned(wish("a-1", "a-2"), one_server(Member("a-2", program=OLD))) == ["join-agent a-2"]


def test_agents_go_by_another_server_all_at_once_when_theirs_is_no_more() -> None:
    lost = [agent(name, astray=True) for name in ("a-2", "a-3")]
    (step,) = plan_membership(wish("a-1", "a-2", "a-3"), one_server(*lost)).steps
    assert [(action.kind, action.node) for action in step] == [("follow", "a-2"), ("follow", "a-3")]
    stopped = agent("a-2", astray=True, service="stopped")
    assert planned(wish("a-1", "a-2"), one_server(stopped)) == ["follow a-2"], "by the old one it would not come up"


def test_a_version_never_goes_back() -> None:
    observed = one_server()
    assert planned(wish("a-1", version="v1.33.0+k3s1"), observed) == []
    assert "does not go back" in waits(wish("a-1", version="v1.33.0+k3s1"), observed)


def test_a_backup_that_was_not_read_back_holds_an_upgrade_until_it_is() -> None:
    observed = one_server(backup=Backup(0.0), now=10.0)
    assert planned(wish("a-1", version=NEW), observed) == ["verify-backup a-1", "upgrade a-1"]
    read = replace(observed, backup=Backup(0.0, True))
    assert planned(wish("a-1", version=NEW), read) == ["upgrade a-1"]


def test_a_candidate_is_followed_by_its_release_and_not_the_other_way_round() -> None:
    release, candidate = "v1.35.2+k3s1", "v1.35.2-rc1+k3s1"
    observed = one_server()
    early, late = (replace(observed, members=(replace(observed.members[0], version=v),)) for v in (candidate, release))
    assert planned(wish("a-1", version=release), early) == [*COPY, "upgrade a-1"]
    assert planned(wish("a-1", version=candidate), late) == []
    assert "does not go back" in waits(wish("a-1", version=candidate), late)


def test_a_node_that_was_drained_by_hand_stays_drained() -> None:
    observed = one_server(agent("a-2", cordoned=True, drained=True))
    assert planned(wish("a-1", "a-2"), observed) == ["uncordon a-2"]
    assert plan_membership(wish("a-1", "a-2", drained=("a-2",)), observed).done


def test_a_service_that_stopped_is_started_and_a_deleted_node_registers_again() -> None:
    assert planned(wish("a-1", "a-2"), one_server(agent("a-2", service="failed"))) == ["start a-2"]
    assert planned(wish("a-1", "a-2"), one_server(agent("a-2", node="absent"))) == ["restart a-2"]
