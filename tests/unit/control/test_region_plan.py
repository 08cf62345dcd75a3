"""The region planner names every action and why; nothing to do is an empty plan."""

from __future__ import annotations

import pytest

from du_infra.control.region_plan import Action, plan_region, same_runtime
from du_infra.errors import Refused
from du_infra.health.state import NodeReport
from du_infra.pool.plan import PoolPlan, PoolRecord
from du_infra.pool.state import Node
from du_infra.release.aim import Aim, Kept
from du_infra.release.goal import Goal, goal_of

NODE = Node("demo-home-1", "1c1g", "198.18.1.2", joined=True)
POOL = PoolPlan(PoolRecord("198.18.1.1", 1, (NODE,)))
HELLO = {"name": "hello", "release": "v1-aa", "ready": True}
RECORDS = {
    (name, release): {"name": name, "release": release, "tag": release[:2], "start_timeout": 1, "stop_grace": 1}
    for name, release in (("hello", "v1-aa"), ("hello", "v0-bb"), ("old", "v1-aa"))
}
BASE = Aim("demo", "home", {}, kept=Kept(RECORDS, {"hello": "v1-aa"}))
CONFIG = Aim("demo", "home", {"hello": RECORDS["hello", "v1-aa"]}).wanted(NodeReport("", ""), "forward")["config"]
GOOD = NodeReport(NODE.name, NODE.address, ready=True, config=CONFIG, configured="k1", services=(HELLO,))


def goal(*reports: NodeReport) -> Goal:
    return goal_of({"hello": RECORDS["hello", "v1-aa"]}, BASE, reports, {})


def actions(report: NodeReport) -> list[Action]:
    return list(plan_region("home", POOL, {NODE.name: report}, {NODE.name: "k1"}, goal(report)).actions)


def changed(**fields: object) -> NodeReport:
    return NodeReport(**{**vars(GOOD), **fields})


def test_a_region_that_is_as_wished_needs_nothing() -> None:
    assert actions(GOOD) == []


def test_a_new_node_is_created_configured_and_deployed_to() -> None:
    pool = PoolPlan(POOL.record, created=(NODE.name,))
    plan = plan_region("home", pool, {}, {NODE.name: "k1"}, goal())
    assert [a.kind for a in plan.actions] == ["create", "configure", "deploy"]


def test_a_stopped_node_is_started_and_not_taken_for_a_new_one() -> None:
    pool = PoolPlan(POOL.record, stopped=(NODE.name,))
    plan = plan_region("home", pool, {}, {NODE.name: "k1"}, goal())
    assert [a.kind for a in plan.actions] == ["start"]


def test_a_file_changed_by_hand_is_named_as_the_reason() -> None:
    (action,) = actions(changed(drift=("/etc/nginx/nginx.conf",)))
    assert action.kind == "configure"
    assert "/etc/nginx/nginx.conf" in action.why


def test_changed_playbooks_configure_again() -> None:
    assert [a.kind for a in actions(changed(configured="k0"))] == ["configure"]


def test_a_node_that_did_not_answer_is_configured_for_that_and_not_for_a_run_that_was_cut_off() -> None:
    quiet = changed(reachable=False, configured="", services=(), ready=False, why="no answer within 10 s")
    assert actions(quiet)[0].why == "it did not say how it is: no answer within 10 s"


def test_a_new_release_says_from_what_to_what() -> None:
    old = {**HELLO, "release": "v0-bb"}
    (action,) = actions(changed(config="c0", services=(old,)))
    assert (action.kind, action.target) == ("deploy", "demo-home-1/hello")
    assert "v0-bb → v1-aa" in action.why


def test_a_node_of_another_runtime_is_refused_and_one_that_does_not_tell_is_not() -> None:
    same_runtime([changed(runtime="docker"), changed(), changed(runtime="docker")], "docker")
    with pytest.raises(Refused, match="made with runtime: docker") as caught:
        same_runtime([changed(), changed(runtime="docker")], "containerd")
    assert caught.value.where == NODE.name


def test_a_service_that_left_the_fleet_file_is_removed() -> None:
    stray = {**HELLO, "name": "old"}
    (action,) = actions(changed(config="c0", services=(HELLO, stray)))
    assert (action.kind, action.target) == ("remove", "demo-home-1/old")


def test_a_service_that_is_not_ready_is_worked_on_again() -> None:
    sick = {**HELLO, "ready": False, "why": "/readyz answers 503"}
    (action,) = actions(changed(ready=False, services=(sick,)))
    assert "503" in action.why
