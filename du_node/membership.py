"""This node as one of several: asks the others, and says when gateway or firewall must follow. For ``serve``."""

from __future__ import annotations

from du_node import peers, settings
from du_node.announce import Announcer
from du_node.front import Front
from du_node.loop import Loop
from du_node.rounds import Rounds
from du_node.severed import Severed
from du_node.watch import Tries

TYPE_CHECKING = False  # typing itself is not imported: serve has 15 MB
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from typing import Any


class Membership:
    """``ask`` is to be called when it is ``next_due``, ``mind`` when there are ``news``, ``look`` with every look."""

    def __init__(self, loop: Loop) -> None:
        self._rounds = Rounds(loop)
        self._front = Front()
        self._severed = Severed()
        self._announcer = Announcer(loop)
        self._vip = ""
        self._tries = Tries()
        self._wish: tuple[Mapping[str, Sequence[peers.Named]], str] = {}, ""

    @property
    def next_due(self) -> float:
        """When the next question is due (monotonic)."""
        return self._rounds.next_due

    def has_news(self) -> bool:
        """Whether a peer was heard, or was silent for too long, since ``mind``."""
        return self._rounds.news

    @property
    def drained(self) -> bool:
        """Whether this node is asked to take no requests."""
        return self._front.drained

    @property
    def told(self) -> dict[str, bool | str]:
        """What the others are told: whether they are to send nothing here (``draining``), whether what comes to the
        region's address comes to this node (``front``), and which peer's address gets what belongs to its connections
        then (``follows``; empty for none).
        """
        return {"draining": self._front.drained, "front": self._front.here, "follows": self._front.follows}

    def look(self, told: Mapping[str, Any]) -> None:
        """``told`` is what stands in the settings."""
        self._rounds.know(settings.peers(told))
        self._vip = settings.vip(told)
        self._front.look(self._vip)

    def ask(self) -> None:
        """Put the questions that are due."""
        self._rounds.ask()

    def mind(self, table: Mapping[str, Mapping[str, Any]], well: Collection[str], *, ready: bool) -> None:
        """Write down who takes requests beside this node, which has ``table`` and these services ``well``."""
        self._rounds.note(table.keys(), well)
        self._front.mind(self._rounds.sights, stands=bool(table) or ready)
        self._severed.mind(self._rounds.sights)
        self._announcer.mind(self._rounds.sights, self._vip, here=self._front.here and not self._front.drained)

    def owes(self, table: Mapping[str, Mapping[str, Any]], now: float) -> bool:
        """Whether it is time to bring the gateway to the peers that take requests, and the firewall to a handover.

        At once when they differ, also in another way than before, and at growing distances where that does not help.
        """
        wish = self._rounds.rotation, peers.hands_over(self._rounds.sights)
        if wish != self._wish:
            self._wish = wish
            self._tries.over()
        if not self._rounds.settled or not (self._differs(table) or self._front.owed(self._rounds.sights)):
            self._tries.over()
            return False
        return self._tries.due(now)

    def tried(self, now: float) -> None:
        """It is being done."""
        self._tries.tried(now)

    def _differs(self, table: Mapping[str, Mapping[str, Any]]) -> bool:
        shared, rotation = bool(self._rounds.sights), self._rounds.rotation
        for name, item in table.items():
            there = [(peer["name"], peer["address"]) for peer in item.get("peers", ())]
            if there != rotation.get(name, []) or bool(item.get("shared")) != shared:
                return True
        return False
