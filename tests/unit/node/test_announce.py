"""Who has the region's address says so again while a peer is silent, and nobody else does."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from du_node import announce
from du_node.announce import Announcer, gratuitous, route
from du_node.loop import Loop
from du_node.peers import Sight
from du_node.probe import Answer, failure

ROUTES = """\
Iface	Destination	Gateway 	Flags	RefCnt	Use	Metric	Mask		MTU	Window	IRTT
eth0	00000000	010012C6	0003	0	0	1024	00000000	0	0	0
eth0	000012C6	00000000	0001	0	0	1024	0000FFFF	0	0	0
"""
VIP = "198.18.1.1"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(announce, "announce", said.append)
    monkeypatch.setattr(announce, "route", lambda: ("eth0", "198.18.0.1"))
    return said


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    found = SimpleNamespace(now=100.0, monotonic=lambda: found.now)
    monkeypatch.setattr(announce, "time", found)
    return found


class Routers(Loop):
    """Every question is answered at once, with ``answer``."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self._answer = answer

    def add(self, task: object) -> None:
        task.link.close()  # type: ignore[attr-defined]
        task._done(self._answer)  # type: ignore[attr-defined]


def peer(name: str, *, up: bool) -> Sight:
    made = Sight((name, f"10.0.0.{ord(name)}"), 0.0, {}, default=True)
    made.up = up
    return made


def test_the_frame_is_an_arp_announcement_to_everybody() -> None:
    assert gratuitous("00:16:3e:8a:32:01", VIP).hex(" ", 2) == (
        "ffff ffff ffff 0016 3e8a 3201 0806 0001 0800 0604 0001 0016 3e8a 3201 c612 0101 0000 0000 0000 c612 0101"
    )
    with pytest.raises(ValueError):
        gratuitous("", VIP)


def test_the_router_is_read_from_the_kernels_table() -> None:
    assert route(ROUTES) == ("eth0", "198.18.0.1")
    assert route("") == route("Iface\nbroken\n") == ("", "")
    assert route("\n".join(ROUTES.splitlines()[::2])) == ("", "")


@pytest.mark.usefixtures("clock")
def test_only_who_has_the_address_says_so_and_only_while_a_peer_is_silent(told: list[str]) -> None:
    herald = Announcer(Routers(Answer()))
    herald.mind([peer("a", up=True), peer("b", up=True)], VIP, here=True)
    herald.mind([peer("a", up=True), peer("b", up=False)], VIP, here=False)
    herald.mind([], VIP, here=True)
    assert told == []
    herald.mind([peer("a", up=True), peer("b", up=False)], VIP, here=True)
    assert told == [VIP]


def test_once_a_second(told: list[str], clock: SimpleNamespace) -> None:
    herald = Announcer(Routers(Answer()))
    for _ in range(25):
        herald.mind([peer("a", up=True), peer("b", up=False)], VIP, here=True)
        clock.now += 0.1
    assert len(told) == 3


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize(
    ("answer", "announced"),
    [
        (failure(ConnectionRefusedError(), 1.0), True),
        (Answer(200), True),
        (failure(TimeoutError(), 1.0), False),
        (failure(OSError(113, "No route to host"), 1.0), False),
        (failure(PermissionError(1, "Operation not permitted"), 1.0), False),
    ],
)
def test_who_hears_no_peer_asks_whether_it_is_he_who_is_cut_off(
    told: list[str], answer: Answer, announced: bool
) -> None:
    Announcer(Routers(answer)).mind([peer("a", up=False)], VIP, here=True)
    assert told == [VIP] * announced


def test_what_cannot_be_said_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "route", lambda: ("nowhere", ""))
    announce.announce(VIP)


def test_a_kernel_that_tells_no_routes_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announce, "_ROUTES", "/nonexistent")
    assert route() == ("", "")
