"""What serve makes of its peers: the file that keepalived reads, and when the gateway has to follow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from du_node import front, handover, places, settings
from du_node.command import Done
from du_node.front import Front
from du_node.loop import Loop
from du_node.membership import Membership
from du_node.peers import Sight
from du_node.watch import Tries

A = ("a", "198.18.0.1")
READY = {"ready": True, "releases": {"hello": {"ready": True}}}
ALONE = {"hello": {"service": "hello"}}
SHARED = {"hello": {"service": "hello", "shared": True, "peers": [{"name": "a", "address": "198.18.0.1"}]}}


@pytest.fixture(autouse=True)
def files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DRAINED", "VIP_AWAY", "HANDOVER", "PEERS", "SEEN", "SETTINGS"):
        monkeypatch.setattr(places, name, str(tmp_path / name))


def sight(**said: bool | str) -> Sight:
    made = Sight(A, 0.0, {}, default=True)
    made.told({**READY, **said}, 1.0)
    return made


def away() -> str:
    return Path(places.VIP_AWAY).read_text()


def test_a_node_with_nothing_to_serve_leaves_the_address_to_the_others() -> None:
    minded = Front()
    minded.look("")
    minded.mind([sight()], stands=False)
    assert away() == "1\n"
    minded.mind([sight()], stands=True)
    assert away() == "0\n"
    minded.mind([], stands=False)
    assert away() == "0\n"


def test_a_drained_node_leaves_the_address_when_the_others_have_had_time_to_notice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(front.time, "monotonic", lambda: clock.now)
    minded = Front()
    Path(places.DRAINED).touch()
    minded.look("")
    assert minded.drained
    minded.mind([sight()], stands=True)
    assert away() == "0\n"
    clock.now += 2.1
    minded.look("")
    minded.mind([sight()], stands=True)
    assert away() == "1\n"
    minded.mind([sight(draining=True)], stands=True)
    assert away() == "0\n", "the others are drained too"
    Path(places.DRAINED).unlink()
    minded.look("")
    minded.mind([sight()], stands=True)
    assert away() == "0\n"


def test_the_holder_waits_until_who_may_get_the_address_is_ready_for_its_connections(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(front.time, "monotonic", lambda: clock.now)
    Path(places.DRAINED).touch()
    minded, other = Front(), Front()
    for one in (minded, other):
        one.look("127.0.0.1")
    clock.now += 2.1
    minded.mind([sight()], stands=True)
    assert away() == "0\n"
    minded.mind([sight(follows="127.0.0.1")], stands=True)
    assert away() == "1\n"
    minded.mind([sight()], stands=True)
    assert away() == "1\n", "it does not want the address back for that"
    other.mind([sight()], stands=True)
    assert away() == "0\n"
    clock.now += 4.0
    other.mind([sight()], stands=True)
    assert away() == "1\n", "it does not wait for ever"


def test_a_node_tells_whose_connections_it_follows_when_that_is_sure() -> None:
    minded = Front()
    assert minded.follows == ""
    for known, told in (("198.18.0.1", "198.18.0.1"), (places.UNSURE, ""), ("", "")):
        Path(places.HANDOVER).write_text(json.dumps({"from": known}))
        assert minded.follows == told


def test_the_region_address_is_here_where_it_can_be_bound() -> None:
    minded = Front()
    minded.look("127.0.0.1")
    assert minded.here
    minded.look("203.0.113.7")
    assert not minded.here
    minded.look("")
    assert not minded.here


def told(*peers: tuple[str, str]) -> Mapping[str, Any]:
    return {"peers": [{"name": name, "address": address} for name, address in peers]}


def test_the_gateway_of_a_node_alone_owes_nothing() -> None:
    members = Membership(Loop())
    members.look(told())
    members.mind(ALONE, ["hello"], ready=True)
    assert not members.owes(ALONE, 1.0)
    assert members.owes(SHARED, 1.0), "the last peer has left"


def test_nothing_is_owed_before_the_peers_have_been_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    members = Membership(Loop())
    members.look(told(A))
    members.mind(ALONE, ["hello"], ready=True)
    assert not members.owes(ALONE, 1.0)
    rounds = members._rounds
    rounds._hears(rounds.sights[0])(SimpleNamespace(status=200, body=json.dumps(READY)))  # type: ignore[arg-type]
    members.mind(ALONE, ["hello"], ready=True)
    assert members.owes(ALONE, 1.0)
    assert not members.owes(SHARED, 1.0)


def test_a_peer_that_dies_is_not_made_to_wait_by_what_did_not_help_before() -> None:
    members = Membership(Loop())
    members.look(told(A))
    hears = members._rounds._hears(members._rounds.sights[0])
    hears(SimpleNamespace(status=200, body=json.dumps(READY)))  # type: ignore[arg-type]
    members.mind(ALONE, ["hello"], ready=True)
    for now in (1.0, 100.0, 200.0):
        assert members.owes(ALONE, now)
        members.tried(now)
    assert not members.owes(ALONE, 200.5)
    hears(SimpleNamespace(status=0, refused=True))  # type: ignore[arg-type]
    members.mind(ALONE, ["hello"], ready=True)
    assert members.owes(SHARED, 200.5)


def test_what_does_not_help_is_tried_at_growing_distances_and_anew_once_it_has() -> None:
    tries, times = Tries(), []
    for now in range(20):
        if tries.due(float(now)):
            times.append(now)
            tries.tried(float(now))
    assert times == [0, 1, 3, 7, 15]
    tries.over()
    assert tries.due(20.0)


class Commands:
    """Commands that would be run, and the addresses that ``ip`` tells."""

    def __init__(self) -> None:
        self.run: list[tuple[str, ...]] = []
        self.addresses = {"eth0": ["198.18.1.2", "198.18.1.1"], "lo": ["127.0.0.1"]}
        self.code = 0

    def __call__(self, argv: list[str]) -> Done:
        if argv[:4] == ["ip", "-j", "address", "show"]:
            return Done(0, json.dumps([{"addr_info": [{"local": a} for a in self.addresses[argv[-1]]]}]), "")
        self.run.append(tuple(argv))
        return Done(self.code, "", "no")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    made = Commands()
    monkeypatch.setattr(handover, "run", made)
    Path(places.SETTINGS).write_text(json.dumps({"vip": "198.18.1.1/16", "interface": "eth0"}))
    return made


def test_who_holds_the_address_is_told_by_the_interface(commands: Commands) -> None:
    assert (settings.vip(), handover.holds_vip()) == ("198.18.1.1", True)
    commands.addresses["eth0"].pop()
    commands.addresses["lo"].append("198.18.1.1")
    assert not handover.holds_vip()


def test_the_firewall_sends_what_is_not_ours_to_the_old_holder_until_that_has_nothing_left(commands: Commands) -> None:
    handover.follow("198.18.1.9")
    handover.follow("198.18.1.9")
    rules = json.loads(Path(f"{places.HANDOVER}.nft").read_text())["nftables"]
    assert rules[-1]["add"]["rule"]["expr"][-2:] == [{"dup": {"addr": "198.18.1.9", "dev": "eth0"}}, {"drop": None}]
    handover.follow("")
    rules = json.loads(Path(f"{places.HANDOVER}.nft").read_text())["nftables"]
    assert [next(iter(rule)) for rule in rules] == ["add", "delete"]
    assert len(commands.run) == 2


def test_rules_that_are_refused_are_owed_again(commands: Commands) -> None:
    commands.code = 1
    with pytest.raises(Exception, match="nft -j -f"):
        handover.follow("198.18.1.9")
    commands.code = 0
    handover.follow("")  # nothing was changed, nothing is taken back
    assert len(commands.run) == 1
    handover.follow("198.18.1.9")
    assert len(commands.run) == 2


def test_a_handover_that_was_killed_in_the_middle_is_owed_again_also_when_there_is_none_any_more(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*argv: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(handover, "_must", killed)
        handover.follow("198.18.1.9")
    assert Front().owed([])
    handover.follow("")
    assert len(commands.run) == 1
    assert not Front().owed([])


def test_a_full_disk_ends_nobody_and_the_others_get_the_address_when_there_is_room(tmp_path: Path) -> None:
    front = Front()
    room, places.VIP_AWAY = places.VIP_AWAY, str(tmp_path / "no folder" / "vip-away")
    front.mind([], stands=True)
    places.VIP_AWAY = room
    front.mind([], stands=True)
    assert Path(room).read_text() == "0\n"


def test_an_end_without_a_beginning_does_nothing(commands: Commands) -> None:
    handover.end()
    assert commands.run == []
