"""Controllers with one store share its regions: none is minded twice, and none is left when one of them goes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from du_infra.control import loop, share
from du_infra.control.context import RegionContext
from du_infra.control.decision import Decision
from du_infra.control.lock import locked
from du_infra.control.loop import ControlLoop
from du_infra.control.minder import Minder
from du_infra.control.share import All, Shared
from du_infra.control.watching import Eyes
from du_infra.controllers.watch import TRUST_SECONDS
from du_infra.errors import Busy, Unreachable
from du_infra.progress import silent
from du_infra.seeing.board import Board
from du_infra.spec import load_spec
from du_infra.store.controllers import Controllers
from du_infra.store.owner import Owner, this_process
from tests.shared_store import Opener

NAMES = frozenset({"a", "b", "c", "d"})


class Clock:
    """Ours, which a test moves: no controller of it may be taken for dead because this machine is slow."""

    now = 1000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(share, "time", SimpleNamespace(monotonic=lambda: made.now))
    monkeypatch.setattr(share, "BEAT_SECONDS", 0.2)
    return made


class One:
    """A controller whose steps a test makes."""

    def __init__(self, store: Controllers, name: str, *, elsewhere: bool = True) -> None:
        self.minds: set[str] = {*NAMES}
        self.at_work: set[str] = set()
        self.told: list[tuple[str, str]] = []
        owner = Owner("ann", name, "boot", "1", 1, "1") if elsewhere else this_process()
        idle = lambda region: region not in self.at_work  # noqa: E731
        self.share = Shared(store, lambda: self.minds, idle, lambda *told: self.told.append(told), owner=owner)
        self.step = self.share.step

    @property
    def held(self) -> set[str]:
        return {*self.share.held()}


@pytest.fixture
def store(shared: Opener) -> Controllers:
    return shared().controllers


def until(done: Callable[[], bool], seconds: float = 200) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_first_minds_all_and_each_that_comes_gets_its_share(store: Controllers) -> None:
    one, two = One(store, "one"), One(store, "two")
    one.step()
    assert one.held == NAMES
    two.step()
    assert two.held == set()
    one.step()
    two.step()
    assert (len(one.held), len(two.held), one.held | two.held) == (2, 2, NAMES)
    assert one.told[-1] == ("share", f"minds 2 of 4 regions, as one of 2 controllers: {', '.join(sorted(one.held))}")


def test_a_region_that_is_at_work_goes_to_another_when_the_pass_has_ended(store: Controllers) -> None:
    one, two = One(store, "one"), One(store, "two")
    one.step()
    one.at_work = {*NAMES}
    two.step()
    one.step()
    two.step()
    assert (len(one.held), two.held) == (2, set())
    assert {*store.board().holds.values()} == {one.share._me}
    one.at_work = set()
    one.step()
    two.step()
    assert one.held | two.held == NAMES
    assert len(two.held) == 2


def test_what_only_one_of_them_would_mind_is_its(store: Controllers) -> None:
    one, two = One(store, "one"), One(store, "two")
    two.minds = {"d"}
    one.step()
    two.step()
    one.step()
    two.step()
    assert (one.held, two.held) == ({"a", "b", "c"}, {"d"})
    two.minds = set()
    two.step()
    one.step()
    assert (one.held, two.held) == (NAMES, set())


def test_when_one_is_silent_the_others_have_its_regions_and_it_has_let_go_of_them_before(
    shared: Opener, clock: Clock
) -> None:
    store = shared()
    one, two = One(store.controllers, "one"), One(store.controllers, "two")
    for each in (one, two, one, two):
        each.step()
    token, had = one.share._me, one.held
    with store._gate.begin() as connection:
        connection.exec_driver_sql("update controllers set beat = beat - 3600 where id = %s", (token,))
    for _ in range(2):
        two.step()
        clock.now += TRUST_SECONDS / 2
        assert not (one.held & two.held)
    assert one.held == set()
    assert len(two.held) == 2
    two.step()
    assert two.held == NAMES
    one.step()
    two.step()
    one.step()
    assert (len(one.held), len(two.held)) == (2, 2)
    assert one.share._me != token
    assert not any(one.share.holds(region, token) for region in had)


def test_one_whose_process_ended_on_this_machine_is_not_waited_for(store: Controllers) -> None:
    me = this_process()
    store.join("gone", Owner(me.user, me.host, me.boot, me.space, me.pid, "1"), NAMES)
    store.take("gone", NAMES)
    one = One(store, "one", elsewhere=False)
    one.step()
    assert one.held == NAMES


def test_one_that_ends_in_order_leaves_its_regions_at_once(store: Controllers) -> None:
    one, two = One(store, "one"), One(store, "two")
    for each in (one, two, one, two):
        each.step()
    one.share.end()
    assert one.held == set()
    two.step()
    assert two.held == NAMES


def test_without_the_store_one_goes_on_for_a_while_then_minds_nothing_and_then_the_same_again(
    store: Controllers, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    one = One(store, "one")
    one.share.start()
    token = one.share._me

    def away(*_: object) -> None:
        raise Unreachable("PostgreSQL does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(store, "sign", away)
        until(lambda: [kind for kind, _ in one.told] == ["share", "failed"])
        assert "regions are minded for 8 s more" in one.told[-1][1]
        assert one.held == NAMES
        clock.now += TRUST_SECONDS
        assert one.held == set()
    until(lambda: one.held == NAMES)
    assert one.share._me == token
    one.share.end()


def test_without_a_shared_store_all_regions_are_ours() -> None:
    everything = All(lambda: NAMES)
    assert {*everything.held()} == NAMES
    assert everything.holds("a", everything.token("a"))


FLEET = "fleet: demo\nstate: {url}\nstate_password: {{file: {file}}}\nregions:\n"


def fleet(folder: Path, shared: Opener, names: str = "abcdef") -> Path:
    folder.mkdir()
    assert shared.password
    text = FLEET.format(url=shared.url, file=shared.password.file)
    text += "".join(f"  {name}: {{provider: lxd}}\n" for name in names)
    (folder / "fleet.yaml").write_text(text)
    return folder / "fleet.yaml"


class Passes:
    """Who is at which region, and whether two ever were at one."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at: dict[str, str] = {}
        self.last: dict[str, str] = {}
        self.twice: list[str] = []
        self._lock = threading.Lock()
        monkeypatch.setattr(Minder, "mind", self._mind())

    def _mind(self) -> Callable[[Minder, RegionContext], None]:
        def mind(minder: Minder, context: RegionContext) -> None:
            who = context.folder.name
            with self._lock:
                if context.name in self.at:
                    self.twice.append(context.name)
                self.at[context.name] = self.last[context.name] = who
            time.sleep(0.1)
            context.store.event(context.name, "seen", who)
            with self._lock:
                del self.at[context.name]

        return mind


def test_loops_share_the_regions_and_one_that_stops_leaves_them_to_the_other(
    tmp_path: Path, shared: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LONGEST_NAP", 0.1)
    passes, told = Passes(monkeypatch), list[Decision]()
    stops = {name: threading.Event() for name in ("one", "two")}
    boards = {name: Board() for name in stops}
    runs = {}
    for name, stop in stops.items():
        made = ControlLoop(fleet(tmp_path / name, shared), [], told.append, silent, watcher=Eyes(boards[name]))
        runs[name] = threading.Thread(target=made.run, args=(0.1, stop), daemon=True)
        runs[name].start()
    shown = lambda name: [*boards[name].snapshot().lives]  # noqa: E731
    until(lambda: sorted(passes.last.values()) == ["one"] * 3 + ["two"] * 3)
    until(lambda: sorted(shown("one") + shown("two")) == [*"abcdef"] and len(shown("one")) == 3)
    stops["one"].set()
    runs["one"].join()
    until(lambda: [*passes.last.values()] == ["two"] * 6 and len(shown("two")) == 6)
    stops["two"].set()
    runs["two"].join()
    assert passes.twice == []
    assert {(decision.kind, decision.about) for decision in told} == {("share", "upkeep")}
    assert boards["two"].snapshot().decisions[0].text.startswith("minds 6 of 6 regions")
    assert shared().controllers.board().controllers == {}


def test_a_dry_run_takes_no_share(tmp_path: Path, shared: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    passes, stop = Passes(monkeypatch), threading.Event()
    watching = ControlLoop(fleet(tmp_path / "one", shared), [], print, silent, dry_run=True)
    run = threading.Thread(target=watching.run, args=(0.1, stop), daemon=True)
    run.start()
    until(lambda: len(passes.last) == 6)
    stop.set()
    run.join()
    assert shared().controllers.board().controllers == {}


def test_the_store_does_not_change_under_a_loop(
    tmp_path: Path, shared: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "_LONGEST_NAP", 0.1)
    Passes(monkeypatch)
    file, told, stop = fleet(tmp_path / "one", shared), list[Decision](), threading.Event()
    run = threading.Thread(target=ControlLoop(file, [], told.append, silent).run, args=(0.1, stop), daemon=True)
    run.start()
    until(lambda: bool(told))
    file.write_text("fleet: demo\nregions:\n  a: {provider: lxd}\n")
    until(lambda: any("start it again" in one.text or "state does not change" in one.text for one in told))
    stop.set()
    run.join()


def context(folder: Path, shared: Opener) -> RegionContext:
    return RegionContext(load_spec(fleet(folder, shared)), "a", folder)


def test_a_region_is_changed_by_one_command_whatever_machine_it_runs_on(tmp_path: Path, shared: Opener) -> None:
    here, there = context(tmp_path / "here", shared), context(tmp_path / "there", shared)
    with locked(here, silent):
        with pytest.raises(Busy, match="region a") as caught, locked(there, silent):
            pass
        assert "run the same command again" in caught.value.todo
        here.store.event("a", "up", "within")
    with locked(there, silent, wait=5):
        there.store.event("a", "up", "after it")


def test_a_command_that_lost_the_region_can_write_nothing_more(tmp_path: Path, shared: Opener) -> None:
    here = context(tmp_path / "here", shared)
    with locked(here, silent):
        with shared()._gate.begin() as connection:
            connection.exec_driver_sql("update leases set token = 'another'")
        with pytest.raises(Busy, match="took over"):
            here.store.event("a", "up", "too late")
        with pytest.raises(Busy):
            here.store.save_pool("a", here.record)
