"""Says again where the region's address is, while a peer is silent. For ``serve``.

A node whose packets a firewall drops hears nothing of the others and takes the address. It says so by ARP, which such a
rule lets through, and whoever believes it reaches nobody; keepalived on the node that has the address hears nothing of
that. So this node says once a second that the address is here. One that is cut off itself does not: no peer answers it,
and neither does its router, which is asked only by a node that hears no peer.
"""

from __future__ import annotations

import socket
import struct
import time

from du_node.loop import Asking, Loop

TYPE_CHECKING = False  # typing itself is not imported: serve has 15 MB
if TYPE_CHECKING:
    from collections.abc import Sequence

    from du_node.peers import Sight
    from du_node.probe import Answer

_PERIOD = 1.0
_ROUTES, _NET = "/proc/net/route", "/sys/class/net"
_DISCARD = 9
"""A port that is closed on about every router: a refusal is an answer, too (RFC 863)."""
_ANSWER_TIME = 0.5
_ARP = 0x0806


class Announcer:
    """``mind`` is to be called about once a second, and when a peer fell silent."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._next = 0.0

    def mind(self, sights: Sequence[Sight], vip: str, *, here: bool) -> None:
        """``here``: the region's address is this node's, and no one else is to have it."""
        now = time.monotonic()
        if not here or now < self._next or all(sight.up for sight in sights):
            return
        self._next = now + _PERIOD
        if any(sight.up for sight in sights):
            announce(vip)
        elif router := route()[1]:
            self._loop.add(Asking(_DISCARD, "/", _ANSWER_TIME, lambda answer: _heard(answer, vip), router))


def announce(vip: str) -> None:
    """Tell the network that the address is at this node; nothing happens where that cannot be done."""
    interface, _ = route()
    try:
        with open(f"{_NET}/{interface}/address", encoding="ascii") as file:  # noqa: PTH123 - pathlib stays out of serve
            frame = gratuitous(file.read().strip(), vip)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ARP)) as link:
            link.bind((interface, _ARP))
            link.send(frame)
    except (OSError, ValueError):
        return


def gratuitous(mac: str, address: str) -> bytes:
    """The Ethernet frame by which ``mac`` says that it has the IPv4 ``address`` (RFC 5227, "ARP announcement").

    Raises ValueError for what is no such address.
    """
    own, everybody, unknown = bytes.fromhex(mac.replace(":", "")), b"\xff" * 6, b"\0" * 6
    if len(own) != 6:
        raise ValueError(mac)
    ip = socket.inet_aton(address)
    return everybody + own + struct.pack("!HHHBBH", _ARP, 1, 0x0800, 6, 4, 1) + own + ip + unknown + ip


def route(text: str | None = None) -> tuple[str, str]:
    """The interface and the router of the default route, both empty where there is none; ``text`` as the kernel's."""
    try:
        if text is None:
            with open(_ROUTES, encoding="ascii") as file:  # noqa: PTH123
                text = file.read()
        for fields in map(str.split, text.splitlines()[1:]):
            if fields[1] == "00000000" and fields[2] != "00000000":
                return fields[0], socket.inet_ntoa(struct.pack("<I", int(fields[2], 16)))
    except (OSError, ValueError, IndexError):
        pass
    return "", ""


def _heard(answer: Answer, vip: str) -> None:
    if answer.heard:
        announce(vip)
