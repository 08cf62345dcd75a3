"""Looks at all regions all the time, and has their nodes tell what they see; whoever decides takes the newest of it.

Deciding never waits for it: a region that does not answer holds up nobody but itself.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from du_infra.control.context import RegionContext
from du_infra.control.traffic.sightings import Board, NodeWord, Sighting
from du_infra.control.traffic.tell import Speakers
from du_infra.errors import DuError
from du_infra.pool.plan import PoolRecord
from du_node import regions
from du_node.loop import Loop

WORKERS = 32
"""As many regions' nodes are asked at once; where there are not more, they may keep us waiting for news."""
_GLANCE = 0.2


@dataclass(frozen=True)
class Target:
    """One region as it is watched: where the world finds it ("" while it is not up), and its nodes.

    ``order``: what they are to watch themselves; "" leaves that as it is.
    """

    context: RegionContext
    record: PoolRecord
    address: str
    order: str = ""


@dataclass
class _Task:
    target: Target
    due: float = 0.0
    busy: bool = False
    words: dict[str, NodeWord] = field(default_factory=dict)


class Watcher:
    """``aim`` says at what to look; ``board`` is what was seen. ``ask`` has a region's nodes tell (Speakers.ask)."""

    def __init__(
        self,
        ask: Callable[[RegionContext, PoolRecord, str], list[NodeWord]] | None = None,
        *,
        port: int = 0,
    ) -> None:
        self._ask = ask or Speakers().ask
        self._lock = threading.Lock()
        self._loop = Loop()
        self._looks = regions.Regions(self._loop, port or regions.PORT)
        self._own: dict[str, Sighting] = {}
        self._tasks: dict[str, _Task] = {}
        self._waiting: deque[str] = deque()
        self._work = threading.Semaphore(0)
        self._interval = 2.0
        self._over = threading.Event()
        self.broken: Exception | None = None
        self._threads: list[threading.Thread] = []

    def aim(self, targets: Mapping[str, Target], interval: float) -> None:
        """Look at these from now on, every ``interval`` seconds."""
        with self._lock:
            self._interval = interval
            for gone in self._tasks.keys() - targets.keys():
                del self._tasks[gone]
                self._own.pop(gone, None)
            for name, target in targets.items():
                task = self._tasks.setdefault(name, _Task(target))
                task.target = target
                there = {node.name for node in target.record.nodes}
                task.words = {node: word for node, word in task.words.items() if node in there}

    def board(self) -> Board:
        """The newest of everything. Raises DuError when what looks has ended, which is a mistake of ours."""
        if self.broken:
            raise DuError(f"looking at regions has ended: {self.broken!r}", todo="it begins anew by itself")
        with self._lock:
            return Board(dict(self._own), {name: dict(task.words) for name, task in self._tasks.items()})

    def start(self) -> None:
        """Begin; once."""
        for work in (self._look_on, self._hand_out, *([self._have_told] * WORKERS)):
            self._threads.append(
                threading.Thread(target=self._guarded, args=(work,), daemon=True, name="traffic watch")
            )
            self._threads[-1].start()

    def stop(self) -> None:
        """End; what is being asked just then is not waited for."""
        self._over.set()
        for _ in self._threads:
            self._work.release()

    def once(self, seconds: float) -> Board:
        """One look at everything, for who looks only now and then.

        Nodes that were told only by this what to watch are asked once more, ``seconds`` later.
        """
        self.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self._complete():
            self._over.wait(0.05)
        self.stop()
        return self.board()

    def _complete(self) -> bool:
        """Whether every region was looked at, and every region's node has seen all that it is to watch."""
        with self._lock:
            looked = all(name in self._own for name, task in self._tasks.items() if task.target.address)
            return looked and all(_has_told(task) for task in self._tasks.values())

    def _guarded(self, work: Callable[[], None]) -> None:
        """What looks must not end without a word: nobody would see a region fall."""
        try:
            work()
        except Exception as error:
            self.broken = error

    def _look_on(self) -> None:
        while not self._over.is_set():
            with self._lock:
                named = [(name, task.target.address) for name, task in self._tasks.items() if task.target.address]
                interval = self._interval
            self._looks.know(named, interval)
            self._looks.ask()
            until = time.monotonic() + _GLANCE
            self._loop.run_until(min(until, self._looks.next_due), lambda: self._looks.news)
            if self._looks.news:
                self._note()

    def _note(self) -> None:
        self._looks.news = False
        behind = time.monotonic() - regions.clock()
        with self._lock:
            for one in self._looks.sights:
                if one.name in self._tasks:
                    self._own[one.name] = Sighting(one.at + behind, one.address, one.said, one.why)

    def _hand_out(self) -> None:
        """Put the regions whose nodes are due into the workers' queue."""
        while not self._over.wait(min(_GLANCE, self._interval / 4)):
            now = time.monotonic()
            with self._lock:
                due = [name for name, task in self._tasks.items() if not task.busy and task.due <= now]
                for name in due:
                    self._tasks[name].busy = True
                    self._tasks[name].due = now + self._interval
                self._waiting.extend(due)
            for _ in due:
                self._work.release()

    def _have_told(self) -> None:
        while self._work.acquire() and not self._over.is_set():
            with self._lock:
                name = self._waiting.popleft()
                task = self._tasks.get(name)
            if task is None:
                continue
            target = task.target
            words = self._ask(target.context, target.record, target.order) if target.record.nodes else []
            with self._lock:
                task.words |= {word.node: word for word in words}
                task.busy = False


def _has_told(task: _Task) -> bool:
    """Whether one of the region's nodes has seen as much as it was asked to watch; or none of them answers."""
    nodes = [node for node in task.target.record.nodes if node.joined]
    if not nodes:
        return True
    asked = task.target.order.count('"address"')
    told = [word for word in task.words.values() if not word.silent]
    if any(len(word.sightings) >= asked for word in told):
        return True
    return not told and len(task.words) == len(nodes)
