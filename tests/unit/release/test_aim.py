"""What a node is asked for during a release, and what its answer means."""

from __future__ import annotations

import pytest

from du_infra.errors import Refused
from du_infra.release.aim import Aim, Kept, live_of, shown
from tests.unit.release.records import record, report, rollout, row

RECORDS = {
    (name, release): record(release, name)
    for name, release in (("hello", "v1-a"), ("hello", "v2-b"), ("shop", "v1-s"), ("shop", "v2-s"))
}
V1, V2 = RECORDS["hello", "v1-a"], RECORDS["hello", "v2-b"]
CAREFUL = {**V2["way"]["rollout"], "canary": [5]}
AIM = Aim("f", "r", {"hello": V2}, {"hello": V1}, {"hello": CAREFUL}, Kept(RECORDS, {"hello": "v1-a", "shop": "v1-s"}))
OLD, SHOP = row("hello", "v1-a"), row("shop", "v1-s")
FORWARD = AIM.wanted(report("n1", OLD, SHOP), "forward")
BACK = AIM.wanted(report("n1", OLD, SHOP), "back")


def ended(wanted: dict[str, object], **more: object) -> dict[str, object]:
    return {"config": wanted["config"], "ended": True, **more}


def test_forward_asks_for_the_new_release_its_own_way_and_for_the_others_as_they_are() -> None:
    hello, shop = FORWARD["services"]
    assert (hello["release"], hello["rollout"]["canary"]) == ("v2-b", [5])
    assert (shop["release"], shop["rollout"]["observe"]) == ("v1-s", 0)
    assert FORWARD["node"] == "n1"


def test_back_asks_for_the_old_release_without_watching_it() -> None:
    hello, _ = BACK["services"]
    assert (hello["release"], hello["rollout"]["observe"], hello["rollout"]["canary"]) == ("v1-a", 0, [])


def test_a_first_release_that_goes_back_leaves_the_node() -> None:
    aim = Aim("f", "r", {"hello": V2}, kept=AIM.kept)
    assert [s["name"] for s in aim.wanted(report("n1", SHOP), "back")["services"]] == ["shop"]


def test_another_service_that_is_held_stays_held() -> None:
    held = row("shop", "v1-s", preview="v2-s")
    (_, shop) = AIM.wanted(report("n1", OLD, held), "forward")["services"]
    assert (shop["release"], shop["rollout"]["hold"]) == ("v2-s", True)


def test_another_service_whose_container_is_gone_is_not_forgotten() -> None:
    (_, shop) = AIM.wanted(report("n1", OLD, row("shop", "")), "forward")["services"]
    assert shop["release"] == "v1-s"


def test_a_release_that_the_store_does_not_know_is_left_to_region_up() -> None:
    with pytest.raises(Refused, match="knows nothing of release v9-x of shop") as caught:
        AIM.wanted(report("n1", OLD, row("shop", "v9-x")), "forward")
    assert "region up" in caught.value.todo


def test_a_node_has_arrived_when_it_ended_with_what_was_wanted_and_serves_it() -> None:
    new = row("hello", "v2-b")
    assert AIM.see(report("n1", new, SHOP, config=FORWARD["config"])).at == "new"
    assert AIM.see(report("n1", new, SHOP, result=ended(FORWARD))).at == "new"
    assert AIM.see(report("n1", OLD, SHOP, config=BACK["config"])).at == "old"
    assert AIM.see(report("n1", OLD, SHOP, config=FORWARD["config"])).at == "other"
    assert AIM.see(report("n1", new, SHOP, config="something else")).at == "other"


def test_a_node_that_is_at_work_has_not_arrived() -> None:
    seen = AIM.see(report("n1", OLD, SHOP, config=BACK["config"], busy={"verb": "apply"}))
    assert (seen.at, seen.busy) == ("other", True)


def test_a_held_release_is_neither_here_nor_there() -> None:
    result = ended(FORWARD, held=["hello"])
    assert AIM.see(report("n1", row("hello", "v1-a", preview="v2-b"), SHOP, result=result)).at == "held"


def test_a_failure_counts_for_the_rollout_that_asked_and_not_for_an_earlier_one() -> None:
    result = ended(FORWARD, failed={"hello": {"text": "5 % errors"}})
    told = report("n1", OLD, SHOP, result=result)
    assert AIM.see(told, asked=True).failed
    assert not AIM.see(told, asked=False).failed
    assert AIM.see(told).at == "other"


def test_another_services_failure_is_not_ours() -> None:
    result = ended(FORWARD, failed={"shop": {"text": "crashes"}})
    seen = AIM.see(report("n1", row("hello", "v2-b"), SHOP, result=result), asked=True)
    assert (seen.at, seen.failed) == ("new", False)


def test_mending_a_node_that_is_not_ready_is_not_done_before_it_is() -> None:
    sick = row("hello", "v2-b", ready=False)
    told = report("n1", sick, SHOP, config=FORWARD["config"])
    assert AIM.see(told).at == "new"
    assert Aim(**{**vars(AIM), "mend": True}).see(told).at == "other"


def test_history_tells_what_serves() -> None:
    assert live_of([rollout("done", "v2-b", "v1-a")]) == {"hello": "v2-b"}
    assert live_of([rollout("rolled-back", "v3-c", "v2-b"), rollout("done", "v2-b", "v1-a")]) == {"hello": "v2-b"}
    assert live_of([rollout("running", "v2-b", "v1-a")]) == {"hello": "v1-a"}
    assert live_of([rollout("failed", "v1-a", "")]) == {}


def test_what_serves_is_what_the_first_node_shows_that_serves_anything() -> None:
    assert shown("hello", [report("n1", row("hello", "")), report("n2", row("hello", "v2-b"))]) == "v2-b"
    assert shown("hello", []) == ""
