"""A region is ready when its VIP, every node and every service are, and it says why when it is not."""

from __future__ import annotations

from du_infra.health.plan import judge
from du_infra.health.state import NodeReport, RegionStatus, VipReport
from du_infra.spec import RegionSpec, ServiceSpec

REGION = RegionSpec(provider="lxd")
HELLO = ServiceSpec(image="registry.local:5000/hello", tag="v1", port=8080)
VIP = VipReport(200, True, "c1")


def node(number: int, **fields: object) -> NodeReport:
    hello = {"name": "hello", "slot": "blue", "release": "v1-aa", "tag": "v1", "digest": "sha256:00", "ready": True}
    base = {"name": f"demo-home-{number}", "address": f"198.18.1.{number}", "ready": True, "services": (hello,)}
    memory, disk = {"used_mb": 120, "total_mb": 1024}, {"used_percent": 7}
    return NodeReport(**{**base, "memory": memory, "disk": disk, **fields})


def status(*nodes: NodeReport, vip: str = "198.18.1.1", answer: VipReport = VIP) -> RegionStatus:
    return judge("home", REGION, {"hello": HELLO}, vip, nodes, answer)


def test_a_healthy_region_is_ready_and_has_nothing_to_complain_about() -> None:
    found = status(node(2))
    assert found.ready
    assert found.why == ()
    assert found.services[0].url == "http://198.18.1.1/"


def test_a_region_that_was_never_up_says_so() -> None:
    found = status(vip="", answer=VipReport())
    assert not found.ready
    assert found.why == ("the region is not up: `du-infra region up home`",)


def test_one_node_that_does_not_answer_makes_the_region_not_ready_by_name() -> None:
    dead = node(3, reachable=False, ready=False, services=(), why="no answer within 8 s")
    found = status(node(2), dead)
    assert not found.ready
    assert any("demo-home-3" in reason and "8 s" in reason for reason in found.why)


def test_a_vip_that_does_not_answer_makes_the_region_not_ready() -> None:
    assert not status(node(2), answer=VipReport(why="does not answer")).ready


def test_nodes_in_different_slots_are_called_mixed() -> None:
    green = {"name": "hello", "slot": "green", "release": "v1-aa", "tag": "v1", "digest": "sha256:00", "ready": True}
    found = status(node(2), node(3, services=(green,)))
    assert found.services[0].slot == "mixed"
    assert found.services[0].release == "v1-aa"


def test_a_service_missing_on_one_node_is_not_ready() -> None:
    found = status(node(2), node(3, services=()))
    assert not found.services[0].ready
    assert "1 of 2" in found.services[0].why


def test_the_json_form_has_the_documented_keys() -> None:
    told = status(node(2)).to_json()
    assert {"name", "provider", "runtime", "ready", "vip", "nodes", "services"} <= told.keys()
    assert {"name", "address", "ready", "memory_used_mb", "disk_used_percent"} <= told["nodes"][0].keys()
    assert {"name", "url", "slot", "release", "tag", "digest", "ready"} <= told["services"][0].keys()


def test_copies_that_share_a_node_are_told_and_what_the_loss_of_that_node_costs() -> None:
    def spread(*here: int) -> RegionStatus:
        told = {"count": sum(here), "ready": sum(here)}
        rows = [{"name": "hello", "ready": True, "copies": {**told, "here": many}} for many in here]
        return status(*(node(number, services=(row,)) for number, row in enumerate(rows, 2)))

    found = spread(0, 2)
    assert found.services[0].crowded == "demo-home-2 has no copy, and demo-home-3 more than one"
    assert "but all copies of hello are on demo-home-3: without it nobody answers" in found.survives
    found = spread(0, 2, 1)
    assert found.services[0].crowded
    assert "all copies" not in found.survives
    assert spread(1, 1).services[0].crowded == ""


def test_what_survives_is_said_in_words() -> None:
    assert "outage" in status(node(2)).survives
    assert "the VIP moves" in status(node(2), node(3)).survives
    assert "loss of this machine" in status(node(2), node(3)).survives
    assert "1 of 2 nodes takes requests" in status(node(2), node(3, draining=True)).survives


def test_a_node_on_its_way_out_is_shown_and_not_waited_for() -> None:
    going = node(3, reachable=False, ready=False, services=())
    found = judge("home", REGION, {"hello": HELLO}, "198.18.1.1", [node(2), going], VIP, {"demo-home-3": "leaving"})
    assert found.ready
    assert [one.state for one in found.nodes] == ["", "leaving"]
