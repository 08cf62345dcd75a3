"""Looks after the node between two applies, and answers /readyz. At most 15 MB: mind every import.

It repairs nothing itself: it starts ``du-node heal``, which observes, plans and acts like an apply, and ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from du_node import load, places, readyz, settings, sockets
from du_node.loop import Asking, Listener, Loop
from du_node.membership import Membership
from du_node.origin import Origin
from du_node.outlook import Outlook
from du_node.probe import Answer
from du_node.watch import Facts, Watch

PROOF_PORT = 19080
_SOCKET = f"{places.RUN}/readyz.sock"
_CALM_PERIOD, _BUSY_PERIOD = 2.0, 0.5
_PROBE_TIME = 1.5
_GLANCE = 0.1
_LOG_LIMIT = 10 << 20
_LOG_PERIOD = 30.0


class Cached:
    """A JSON file, read again only when it was replaced; with a ``head``, what its first line has before ``tail``."""

    def __init__(self, path: str, head: str = "", tail: str = "") -> None:
        self._path = path
        self._head, self._tail = head, tail
        self._stamp = ""
        self._value: dict[str, Any] = {}

    @property
    def stamp(self) -> str:
        """See files.stamp; empty when there is no file."""
        try:
            found = os.stat(self._path)  # noqa: PTH116
        except OSError:
            return ""
        return f"{found.st_mtime_ns}-{found.st_size}-{found.st_ino}"

    def get(self) -> dict[str, Any]:
        """The object in the file; empty when there is none or it is broken."""
        stamp = self.stamp
        if stamp != self._stamp:
            self._value = self._load() if stamp else {}
            self._stamp = stamp
        return self._value

    def _load(self) -> dict[str, Any]:
        try:
            with open(self._path, encoding="utf-8") as file:  # noqa: PTH123
                text = file.readline().rstrip("\n") if self._head else file.read()
            fits = text.startswith(self._head) and text.endswith(self._tail)
            found = json.loads(text[len(self._head) : len(text) - len(self._tail)]) if fits else {}
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


class Server:
    """The state between two looks: what the last one saw, the healer that runs, when to look again.

    /readyz is answered from the last look, so that its parts fit together; a look follows at once when a file
    that an apply writes has changed.
    """

    def __init__(self) -> None:
        os.makedirs(places.RUN, exist_ok=True)  # noqa: PTH103
        self._loop = Loop()
        self._watch = Watch()
        self._settings = Cached(places.SETTINGS)
        self._kind = ""
        self._conf = Cached("")
        self._origin = Origin()
        self._wanted = Cached(places.WANTED)
        self._result = Cached(places.RESULT)
        self._answers: dict[str, Answer] = {}
        self._live = ""
        self._gateway_ok = self._gateway_silent = False
        self._stamps: tuple[str, ...] = ()
        self._told = (503, '{"ready": false, "why": "du-node has just started"}\n')
        self._healer = self._follower = 0
        self._next_log = self._next_sample = 0.0
        self._others = Membership(self._loop)
        self._order = Cached(places.REGIONS)
        self._outlook = Outlook(self._loop)
        self._loop.add(Listener(_SOCKET, self._loop, lambda: self._told))

    def run(self) -> None:
        """For ever."""
        self._look()
        notify("READY=1")
        while True:
            began = time.monotonic()
            facts = self._facts()
            sick = self._watch.decide(facts, began)
            if sick is not None:
                self._heal(sick)
            self._trim_logs(began)
            self._sample_load(began)
            notify("WATCHDOG=1")
            well = facts.gateway_ok and all(said == "ok" for said in facts.answers.values())
            self._rest(began + (_CALM_PERIOD if well and not self._others.drained else _BUSY_PERIOD))
            self._look()

    def _rest(self, until: float) -> None:
        """Answer requests until it is time, or there is something new, to look at."""
        while time.monotonic() < until and self._stamps == self._now_stamped():
            self._run_until(min(until, time.monotonic() + _GLANCE))

    def _now_stamped(self) -> tuple[str, ...]:
        files = (self._conf.stamp, self._wanted.stamp, self._result.stamp, self._settings.stamp)
        return (*files, Cached(places.DRAINED).stamp)

    def _look(self) -> None:
        """Ask the gateway and every routed slot at once, and wait for the answers."""
        self._read_settings()
        self._stamps = self._now_stamped()
        table = self._table()
        left = {"gateway", *table}
        self._loop.add(Asking(PROOF_PORT, "/du", _PROBE_TIME, lambda a: self._gateway_said(a, left)))
        for name, item in table.items():
            path = item["route"]["ready"]
            self._loop.add(Asking(item["primary"]["port"], path, _PROBE_TIME, self._slot_said(name, left)))
        while left:
            self._run_until(time.monotonic() + 0.02)
        for gone in self._answers.keys() - table.keys():
            del self._answers[gone]
        stored = self._conf.get().get("hash", "")
        # between the new file and a gateway that works by it lies a moment that is no trouble
        busy = self._busy()
        self._gateway_ok = bool(self._live) and (self._live == stored or busy)
        self._origin.look(self._conf.stamp, busy=busy)
        self._others.look(self._settings.get())
        self._outlook.look(self._order.get())
        self._told = self._readyz(list(table.values()))
        self._mind_peers()

    def _read_settings(self) -> None:
        """What the role wrote may be other peers now, or another gateway."""
        kind = str(self._settings.get().get("gateway", settings.GATEWAY))
        if kind != self._kind:
            self._kind, self._conf = kind, Cached(*places.STORED_TABLE[kind])

    def _run_until(self, when: float) -> None:
        """Answer and ask; what a peer says, or does not say in time, is acted upon at once."""
        self._others.ask()
        self._outlook.ask()
        self._loop.run_until(min(when, self._others.next_due, self._outlook.next_due), self._others.has_news)
        self._outlook.note()
        if self._others.has_news():
            self._mind_peers()

    def _mind_peers(self) -> None:
        """Write down who takes requests beside this node, and have the gateway brought to it."""
        table, now = self._table(), time.monotonic()
        well = [name for name, answer in self._answers.items() if answer.ok]
        self._others.mind(table, well, ready=self._told[0] == 200)
        if self._gateway_ok and self._others.owes(table, now) and not self._follows():
            self._others.tried(now)
            self._follower = self._start(["--peers"])

    def _gateway_said(self, answer: Answer, left: set[str]) -> None:
        self._live = answer.body.strip() if answer.ok else ""
        self._gateway_silent = not answer.status and not answer.refused
        left.discard("gateway")

    def _slot_said(self, name: str, left: set[str]) -> Any:
        def said(answer: Answer) -> None:
            self._answers[name] = answer
            left.discard(name)

        return said

    def _table(self) -> dict[str, Mapping[str, Any]]:
        return {item["service"]: item for item in self._conf.get().get("table", ())}

    def _facts(self) -> Facts:
        result, wanted = self._result.get(), self._wanted.get()
        table = self._table()
        failed = result.get("failed", ())
        names = [service["name"] for service in wanted.get("services", ())]
        return Facts(
            {name: _word(self._answers.get(name)) for name in table},
            gateway_ok=self._gateway_ok or not wanted,
            cut_off=bool(wanted) and (self._origin.strange or not self._ended()),
            lost=[name for name in names if name not in table and name not in failed],
            over=[name for name, port in result.get("lingering", {}).items() if not sockets.to_slot(port)],
            busy=self._busy(),
            silent=self._gateway_silent,
        )

    def _busy(self) -> bool:
        """Whether a du-node that changes things is at work, ours or the controller's."""
        if self._healer and (status := _ended(self._healer)) is not None:
            self._healer = 0
            if status == 0:
                self._origin.healed()
        if self._healer or self._follows():
            return True
        descriptor = os.open(places.LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _follows(self) -> bool:
        """Whether the gateway is being brought to its peers: beside an apply, if there is one, which may take long."""
        if self._follower and _ended(self._follower) is not None:
            self._follower = 0
        return bool(self._follower)

    def _heal(self, sick: list[str]) -> None:
        self._healer = self._start(sick)

    def _start(self, options: list[str]) -> int:
        self._origin.begins()
        argv = [sys.executable, "-IS", sys.argv[0], "heal", *options]
        return os.posix_spawn(sys.executable, argv, dict(os.environ))

    def _readyz(self, table: list[Mapping[str, Any]]) -> tuple[int, str]:
        ready = {name: answer.ok for name, answer in self._answers.items()}
        meta = self._wanted.get()
        return readyz.answer(
            meta,
            table,
            ready,
            gateway_ok=self._gateway_ok,
            applied=self._applied(),
            among=self._others.told,
        )

    def _ended(self) -> bool:
        """Whether the last apply came to its end. What an earlier du-node wrote says it by being there."""
        result = self._result.get()
        return result.get("wanted") == self._wanted.stamp and bool(result.get("ended", True))

    def _applied(self) -> bool:
        """Whether the last apply ended, and all of it succeeded."""
        result = self._result.get()
        return self._ended() and not result.get("failed") and not result.get("held")

    def _sample_load(self, now: float) -> None:
        if now >= self._next_sample:
            self._next_sample = now + load.SAMPLE_SECONDS
            load.sample()

    def _trim_logs(self, now: float) -> None:
        if now < self._next_log:
            return
        self._next_log = now + _LOG_PERIOD
        try:
            names = os.listdir(places.LOGS)  # noqa: PTH208
        except OSError:
            return
        for name in names:
            path = f"{places.LOGS}/{name}"
            if name.endswith(".log") and os.stat(path).st_size > _LOG_LIMIT:  # noqa: PTH116
                trim(path)


def trim(path: str) -> None:
    """Move a log's content to ``path``.1 while its writer (containerd's shim, which appends) keeps it open."""
    with open(path, "r+b") as log, open(f"{path}.1", "wb") as kept:  # noqa: PTH123
        while os.sendfile(kept.fileno(), log.fileno(), None, 1 << 20):
            pass
        log.truncate(0)


def notify(state: str) -> None:
    """Tell systemd (sd_notify(3)); nothing happens where no service manager asked for it."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.connect("\0" + address[1:] if address.startswith("@") else address)
        link.send(state.encode())


def _ended(child: int) -> int | None:
    """How a child of ours ended, as wait(2) says it: 0 is well. None as long as it runs."""
    pid, status = os.waitpid(child, os.WNOHANG)
    return status if pid else None


def _word(answer: Answer | None) -> str:
    if answer is None:
        return "failed"
    return "ok" if answer.ok else "refused" if answer.refused else "failed"
