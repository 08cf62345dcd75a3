"""The loop that minds regions: all of the fleet file, or its share of them among several controllers."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence, Set
from pathlib import Path

from du_infra.control.context import RegionContext
from du_infra.control.decision import Decision, Kind, Teller
from du_infra.control.minder import Minder
from du_infra.control.share import All, Share, Shared
from du_infra.control.traffic.cut_off import PAUSE, WaveMinder
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.minder import TrafficMinder
from du_infra.control.watch import Watcher
from du_infra.errors import DuError, SpecError
from du_infra.parallel import each
from du_infra.progress import Reporter
from du_infra.spec import load_spec, region_of
from du_infra.spec.source import stamp

_LEAST_INTERVAL, _LONGEST_NAP = 0.1, 1.0
_TRAFFIC, _WAVES = " the entrance", " waves"  # no region's name begins with a blank


class ControlLoop:
    """Minds the regions of a fleet file, or those in ``regions``; each at its own pace, in a thread of its own.

    Unless it is for some ``regions`` only, it minds the way to all of them as well, where the file has ``traffic:``.
    ``tell``, ``report`` and ``watcher`` are called from several threads.
    """

    def __init__(
        self,
        file: Path,
        regions: Sequence[str],
        tell: Teller,
        report: Reporter,
        *,
        dry_run: bool = False,
        watcher: Watcher | None = None,
    ) -> None:
        self._file = file
        self._regions = regions
        self._tell = tell
        self._report = report
        self._dry_run = dry_run
        self._watcher = watcher or Watcher()
        self._contexts: dict[str, RegionContext] = {}
        self._entrance: Entrance | None = None
        self._threads: dict[str, threading.Thread] = {}
        self._mistake = ""
        self._stamp: object = None
        self._share: Share = All(self._contexts.keys)
        self._turns = threading.Lock()
        self._at_work: set[str] = set()
        self._broken: Exception | None = None

    def once(self) -> DuError | None:
        """One pass over every region; the first thing that went wrong. Raises SpecError for a wrong fleet file."""
        self._contexts = self._read()
        self._watcher.minded(self._contexts, self._contexts.keys(), "")
        minders = [(self._minder(name), context) for name, context in self._contexts.items()]
        first = self._traffic_minder().once(self._entrance) if self._entrance else None
        errors = each(lambda pair: pair[0].mind(pair[1]), minders)
        return next((error for error in [first, *errors] if error), None)

    def run(self, interval: float, stop: threading.Event) -> None:
        """Go on until ``stop`` is set, with ``interval`` seconds between two passes over a region.

        The fleet file is read again each time; while it is wrong, what it said before holds. What is under way when
        ``stop`` is set comes to its end first. Raises SpecError when the file is wrong at the beginning, and what
        ``tell`` raised.
        """
        try:
            self._go_on(max(interval, _LEAST_INTERVAL), stop)
        except Exception:  # who hears of it ends the process, which would cut off what is under way
            stop.set()
            self.wait()
            raise
        if self._broken:
            raise self._broken

    def _go_on(self, interval: float, stop: threading.Event) -> None:
        self._contexts = self._read()
        self._share = self._sharing()
        self._watcher.minded(self._contexts, frozenset(), "")
        self._share.start()
        read = time.monotonic()
        while not stop.is_set():
            ours = self._contexts.keys() & self._share.held()
            leaving = self._contexts.keys() & self._under_way()
            self._watcher.minded(self._contexts, ours | leaving, self._mistake)
            for name in ours - self._threads.keys():
                self._begin(name, stop, self._mind, name, interval, stop)
            if self._entrance and _TRAFFIC not in self._threads:
                self._begin(_TRAFFIC, stop, self._mind_traffic, stop)
            if self._entrance and _WAVES not in self._threads:
                self._begin(_WAVES, stop, self._mind_waves, stop)
            stop.wait(min(interval, _LONGEST_NAP))
            if time.monotonic() - read >= interval:
                self._read_again()
                read = time.monotonic()
        self.wait()

    def wait(self) -> None:
        """Wait for what is under way, after ``stop`` was set; then others may have our regions."""
        for thread in list(self._threads.values()):
            thread.join()
        self._share.end()

    def _sharing(self) -> Share:
        """Among all who mind the fleet by a shared store; who only looks takes nothing from anybody."""
        context = next(iter(self._contexts.values()))
        if self._dry_run or not context.shared:
            return All(lambda: self._contexts.keys())
        return Shared(context.store.controllers, lambda: self._contexts.keys(), self._idle, self._decide)

    def _idle(self, name: str) -> bool:
        return name not in self._under_way()

    def _under_way(self) -> Set[str]:
        with self._turns:
            return {*self._at_work}

    def _turn(self, name: str) -> str | None:
        """Begin a pass over a region that is ours, by the token that is returned. None when it is not ours.

        Either this comes first, and the region is ours until the pass has ended, or who gives it away does.
        """
        with self._turns:
            token = self._share.token(name)
            if token is not None:
                self._at_work.add(name)
            return token

    def _begin(self, name: str, stop: threading.Event, work: Callable[..., None], *given: object) -> None:
        given = (name, stop, work, *given)
        self._threads[name] = threading.Thread(target=self._in_a_thread, args=given, daemon=True, name=name)
        self._threads[name].start()

    def _in_a_thread(self, name: str, stop: threading.Event, work: Callable[..., None], *given: object) -> None:
        # What this thread starts inherits that: Ctrl-C in a terminal goes to the whole process group, and what is under
        # way there is to come to its end.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            work(*given)
        except Exception as error:  # nobody hears us any more; a loop that minds nothing must not seem to run
            self._broken = error
            stop.set()
        self._threads.pop(name, None)

    def _mind_traffic(self, stop: threading.Event) -> None:
        """Quicker than regions: a dead one must be out of the answers within seconds."""
        minder = self._traffic_minder()
        try:
            while not stop.is_set() and (entrance := self._entrance):
                minder.mind(entrance)
                stop.wait(minder.pause)
        finally:
            minder.close()
            self._watcher.entrance(None)

    def _mind_waves(self, stop: threading.Event) -> None:
        """Releases through all regions that were cut off."""
        minder = WaveMinder(self._tell_both, self._report, stop.is_set, dry_run=self._dry_run)
        while not stop.is_set() and (entrance := self._entrance):
            minder.look(entrance)
            stop.wait(PAUSE)

    def _traffic_minder(self) -> TrafficMinder:
        return TrafficMinder(self._tell_both, self._report, dry_run=self._dry_run, saw=self._watcher.entrance)

    def _tell_both(self, decision: Decision) -> None:
        self._tell(decision)
        self._watcher.told(decision)

    def _mind(self, name: str, interval: float, stop: threading.Event) -> None:
        share = self._share
        token: str | None = None

        def over() -> bool:
            return stop.is_set() or token is None or not share.holds(name, token)

        minder = self._minder(name, over)
        while not stop.is_set() and (context := self._contexts.get(name)):
            if (token := self._turn(name)) is None:
                break
            try:
                with share.fence(name, token):
                    minder.mind(context)
            finally:
                self._at_work.discard(name)
            stop.wait(interval)

    def _minder(self, name: str, stopping: Callable[[], bool] = lambda: False) -> Minder:
        report = self._watcher.listening(name, self._report)
        return Minder(name, self._tell, report, dry_run=self._dry_run, stopping=stopping, watcher=self._watcher)

    def _read(self) -> dict[str, RegionContext]:
        self._stamp = stamp(self._file)
        fleet = load_spec(self._file)
        before = next(iter(self._contexts.values()), None)
        if before and before.fleet.state != fleet.state:
            raise SpecError("state does not change while a loop runs", where=str(self._file), todo="start it again")
        names: Iterable[str] = self._regions or fleet.regions
        for name in names:
            region_of(fleet, name)
        file = self._file.resolve()
        new = Entrance(fleet, file.parent, file.name) if fleet.traffic and not self._regions else None
        self._entrance = self._entrance if self._entrance == new else new
        return {name: self._kept(RegionContext(fleet, name, file.parent, file=file.name)) for name in names}

    def _kept(self, context: RegionContext) -> RegionContext:
        """The context of before where nothing changed: it has the store open."""
        before = self._contexts.get(context.name)
        return before if before == context else context

    def _read_again(self) -> None:
        """Where it has not been touched it says the same: the file of a thousand regions takes seconds to read."""
        if self._stamp == stamp(self._file):
            return
        try:
            self._contexts = self._read()
            self._mistake = ""
        except DuError as error:
            if str(error) != self._mistake:
                self._mistake = str(error)
                self._decide("failed", f"{error}; what the file said before holds")

    def _decide(self, kind: Kind, text: str) -> None:
        """Tell what is about the loop itself, and no region."""
        self._tell_both(Decision("", kind, text, about="upkeep"))
