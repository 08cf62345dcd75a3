"""A release through the world, by waves: everywhere or back everywhere, killed anywhere, with stand-in regions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from du_infra.control.context import RegionContext
from du_infra.control.decision import Decision
from du_infra.control.traffic import bring, cut_off, hands, minder, voyage, waves
from du_infra.control.traffic.bring import Order
from du_infra.control.traffic.cut_off import WaveMinder
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.hands import Hands
from du_infra.control.traffic.sightings import Board
from du_infra.control.traffic.voyage import Voyage
from du_infra.control.traffic.watcher import Watcher
from du_infra.control.traffic.waves import WaveResult, abort_waves, plan_waves, release_waves
from du_infra.control.traffic.wish import course_of, keep
from du_infra.errors import Busy, DuError, EngineFailed, NotReady, Refused, SpecError, Unreachable
from du_infra.progress import Reporter, silent
from du_infra.release.state import Rollout
from du_infra.store.leases import Lease
from du_infra.store.traffic import Traffic
from du_infra.traffic import course as courses
from du_infra.traffic.course import Course
from du_infra.traffic.itinerary import WavePlan
from tests.unit.control_traffic.test_minder import Eyes
from tests.unit.control_traffic.test_turn import _ends
from tests.unit.control_traffic.world import FLEET, NAME, Killed, World

SEA = FLEET.replace(
    "min_requests: 0",
    "min_requests: 0\n  soak: 10s\n  ttl: 1s\n  hold: 4s\n  waves: [[a], [b, c]]\n  weights: {a: 40, b: 30, c: 30}",
)


class Sea:
    """A world whose regions get releases at once: ``bad`` ones fail there, ``sick`` ones answer nobody with v2.

    The one that is ``half`` comes half way and answers as before; ``waiting`` is who is at work on it.
    """

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        world.write(SEA)
        world.runs = dict.fromkeys("abc", "v1-1")
        self.bad: Mapping[str, str] = {}
        self.sick: frozenset[str] = frozenset()
        self.calls: list[str] = []
        self.kill_at = ""
        self.half = ""
        self.stuck = False
        self.waiting: list[Callable[[], None]] = []
        self.patience = 900.0
        self.eyes: Callable[[], Watcher] = lambda: Eyes(world)
        self.each_pass: Callable[[], None] = lambda: None
        world.sees = lambda observer, region: not (region in self.sick and world.runs[region] == "v2-1")
        for module in (hands, minder, voyage):
            clock = SimpleNamespace(monotonic=lambda: world.now, sleep=self._sleep)
            monkeypatch.setattr(module, "time", clock)
        monkeypatch.setattr(waves, "plan_release", self._planned)
        world.run(world.desk(), 12)

    def plan(self, tag: str = "v2") -> WavePlan:
        return plan_waves(self.world.entrance(), "hello", tag, {}, silent)

    def release(self, tag: str = "v2") -> WaveResult:
        return release_waves(self.world.entrance(), self.plan(tag), silent, self._make)

    def abort(self) -> WaveResult:
        return abort_waves(self.world.entrance(), "", silent, self._make)

    @property
    def course(self) -> Course:
        return course_of(self.world.same())

    @property
    def weights(self) -> dict[str, int]:
        assert self.world.dns.record
        return {name: one.weight for name, one in self.world.dns.record.endpoints.items() if one.up}

    def _make(self, entrance: Entrance, order: Order, report: Reporter) -> Voyage:
        there = Hands(entrance.regions, report, self._bring, self._start)
        return Voyage(entrance, order, report, self.eyes, there)

    def _start(self, work: Callable[[], None]) -> None:
        if self.half and not self.course.back and self.course.wave and not self.waiting:
            self.waiting.append(work)
            self.begins(self.half)
        else:
            work()

    def begins(self, region: str) -> Rollout:
        """Its own release is begun, and has not reached its nodes."""
        rollouts = self.world.entrance().store.rollouts
        return rollouts.begin(Rollout(0, region, "hello", "start", "v2-1", "v1-1", "me", {}, 0.0))

    def _bring(self, context: RegionContext, order: Order, report: Reporter) -> None:
        self.calls.append(f"{context.name} {order.release}")
        if self.kill_at == context.name:
            raise Killed
        if row := context.store.rollouts.open(context.name).get("hello"):
            context.store.rollouts.end(row.id, "aborted" if order.back or row.request else "done")
            if row.request:
                raise NotReady("aborted")
        if self.stuck and order.back:
            raise NotReady("a node does not answer")
        if context.name in self.bad and not order.back:
            raise NotReady(self.bad[context.name])
        self.world.runs[context.name] = order.release

    def _planned(self, context: RegionContext, service: str, tag: str, *_: object) -> Any:
        return SimpleNamespace(region=context.name, release=f"{tag}-1", previous=self.world.runs[context.name])

    def _sleep(self, seconds: float) -> None:
        self.each_pass()
        self.world.now += 2.0
        self.patience -= 2.0
        if self.patience < 0:
            raise Killed


@pytest.fixture
def sea(world: World, monkeypatch: pytest.MonkeyPatch) -> Sea:
    return Sea(world, monkeypatch)


STEPS = (
    "wave 1 of 2 at 25 % of the answers",
    "wave 1 of 2 at 40 % of the answers",
    "wave 2 of 2 at 5 % of the answers",
    "wave 2 of 2 at 25 % of the answers",
    "wave 2 of 2 at 50 % of the answers",
    "wave 2 of 2 at 60 % of the answers",
    "hello serves in every wave",
)
CALM = {"a": 40, "b": 30, "c": 30}


def test_the_plan_names_waves_shares_and_what_serves_now_and_changes_nothing(sea: Sea) -> None:
    before = sea.course
    plan = sea.plan()
    assert [(leg.regions, leg.shares) for leg in plan.legs] == [(("a",), (5, 25, 40)), (("b", "c"), (5, 25, 50, 60))]
    told = plan.to_json()
    assert (told["release"], told["previous"]) == ("v2-1", dict.fromkeys("abc", "v1-1"))
    assert (told["soak_s"], told["goes_on"], plan.there) == (10.0, False, False)
    assert sea.course == before


def test_it_goes_region_by_region_wave_by_wave_and_share_by_share(sea: Sea) -> None:
    result = sea.release()
    assert (result.state, result.steps) == ("done", STEPS)
    assert sea.calls == ["a v2-1", "b v2-1", "c v2-1"]
    assert (sea.world.runs, sea.weights) == (dict.fromkeys("abc", "v2-1"), CALM)
    assert (sea.course.under_way, sea.course.pins["hello"]) == (False, dict.fromkeys("abc", "v2-1"))
    assert sea.release().state == "unchanged"


def test_one_that_fails_in_the_first_wave_goes_back_and_the_second_never_hears_of_it(sea: Sea) -> None:
    sea.bad = {"a": "7 % of its answers were errors"}
    with pytest.raises(NotReady) as error:
        sea.release()
    assert error.value.what == "hello v2 went back: hello failed in a: 7 % of its answers were errors"
    assert "every region is back" in error.value.done
    assert {call.split()[0] for call in sea.calls} == {"a"}
    assert (sea.world.runs, sea.weights, sea.course.back) == (dict.fromkeys("abc", "v1-1"), CALM, "")


def test_one_that_fails_in_the_second_wave_goes_back_in_all_regions_that_have_it(sea: Sea) -> None:
    sea.bad = {"c": "it does not start"}
    with pytest.raises(NotReady, match="hello failed in c: it does not start"):
        sea.release()
    assert sea.calls[:3] == ["a v2-1", "b v2-1", "c v2-1"]
    assert sorted(sea.calls[3:]) == ["a v1-1", "b v1-1"]
    assert (sea.world.runs, sea.weights) == (dict.fromkeys("abc", "v1-1"), CALM)


def test_a_region_that_goes_down_with_it_takes_it_back(sea: Sea) -> None:
    def later() -> None:
        if sea.course.step == 1:
            sea.sick = frozenset("a")

    sea.each_pass = later
    with pytest.raises(NotReady, match="a went down with v2-1: down by "):
        sea.release()
    assert (sea.world.runs, sea.weights) == (dict.fromkeys("abc", "v1-1"), CALM)


def test_on_the_way_back_a_healthy_region_is_not_called_dead_for_what_it_still_runs(sea: Sea) -> None:
    sea.bad, live = {"c": "it does not start"}, []

    def on_the_way_back() -> None:
        if sea.course.back:
            live.append(sea.world.live)
            sea.stuck = len(live) < 15

    sea.each_pass, sea.stuck = on_the_way_back, True
    with pytest.raises(NotReady, match="hello failed in c"):
        sea.release()
    assert len(live) > 15
    assert set(live) == {"abc"}


def test_it_goes_on_only_when_gateways_have_seen_the_share(sea: Sea) -> None:
    sea.world.write(SEA.replace("min_requests: 0", "min_requests: 100"))
    told: list[str] = []
    sea.patience = 60.0
    plan = sea.plan()
    with pytest.raises(Killed):
        release_waves(sea.world.entrance(), plan, lambda event: told.append(event.text), sea._make)
    assert "0 requests are too few to judge by, 100 are needed" in told
    assert (sea.course.wave, sea.course.step) == (0, 0)
    _ends(sea.world)

    def take_requests() -> None:
        assert sea.world.dns.record
        for name, share in sea.world.dns.record.shares().items():
            sea.world.counts[name] = sea.world.counts.get(name, 0) + round(400 * share)

    sea.each_pass, sea.patience = take_requests, 1200.0
    assert sea.release().steps == STEPS


def test_killed_before_the_way_back_is_kept_the_same_command_goes_back(
    sea: Sea, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Traffic.set_course

    def dies(self: Traffic, name: str, course: Course, *given: str) -> Course:
        if course.back:
            raise Killed
        return real(self, name, course, *given)

    def later() -> None:
        if sea.course.step == 1:
            sea.sick = frozenset("a")

    monkeypatch.setattr(Traffic, "set_course", dies)
    sea.each_pass = later
    with pytest.raises(Killed):
        sea.release()
    assert sea.patience > 0
    monkeypatch.setattr(Traffic, "set_course", real)
    _ends(sea.world)
    with pytest.raises(NotReady, match="a went down with v2-1: down by "):
        sea.release()


@pytest.mark.parametrize("region", "abc")
def test_killed_while_a_region_gets_it_the_same_command_goes_on(sea: Sea, region: str) -> None:
    sea.kill_at = region
    with pytest.raises(Killed):
        sea.release()
    _ends(sea.world)
    sea.kill_at = ""
    assert sea.plan().goes_on
    assert sea.release().state == "done"
    assert (sea.world.runs, sea.weights) == (dict.fromkeys("abc", "v2-1"), CALM)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("method", ["set_course", "progressed"])
@pytest.mark.parametrize("bad", [False, True])
def test_killed_at_any_word_to_the_store_the_same_command_ends_it(
    sea: Sea, monkeypatch: pytest.MonkeyPatch, method: str, after: bool, bad: bool
) -> None:
    sea.bad = {"b": "it does not start"} if bad else {}
    real: Callable[..., Any] = getattr(Traffic, method)
    left = {"calls": 0}

    def dies(*given: Any) -> Any:
        left["calls"] += 1
        mine = left["calls"] % 4 == 1
        if mine and not after:
            raise Killed
        found = real(*given)
        if mine:
            raise Killed
        return found

    monkeypatch.setattr(Traffic, method, dies)
    for _ in range(60):
        try:
            assert sea.release().state in ("done", "unchanged")  # killed with its last word, it was done
        except Killed:
            _ends(sea.world)
        except NotReady as error:
            assert bad
            assert "it does not start" in error.what
            break
        else:
            assert not bad
            break
    else:
        raise AssertionError("it never ends")
    assert (sea.world.runs, sea.weights) == (dict.fromkeys("abc", "v1-1" if bad else "v2-1"), CALM)


def test_killed_on_the_way_back_the_same_command_ends_that(sea: Sea) -> None:
    sea.bad, sea.patience = {"b": "it does not start"}, 600.0

    def stop() -> None:
        if sea.course.back:
            raise Killed

    sea.each_pass = stop
    with pytest.raises(Killed):
        sea.release()
    sea.world.runs["a"] = "v2-1"  # as if it had not begun there
    _ends(sea.world)
    sea.each_pass = lambda: None
    assert sea.plan().goes_back
    with pytest.raises(NotReady, match="went back: hello failed in b"):
        sea.release()
    assert (sea.world.runs, sea.course.back) == (dict.fromkeys("abc", "v1-1"), "")


@pytest.mark.parametrize("edited", ["[[b], [c, a]]", "[[a, b, c]]"])
def test_waves_that_are_edited_on_the_way_are_those_of_the_next_release(sea: Sea, edited: str) -> None:
    sea.kill_at = "b"
    with pytest.raises(Killed):
        sea.release()
    _ends(sea.world)
    sea.kill_at = ""
    sea.world.write(SEA.replace("[[a], [b, c]]", edited))
    plan = sea.plan()
    assert (plan.goes_on, plan.release, [leg.regions for leg in plan.legs]) == (True, "v2-1", [("a",), ("b", "c")])
    assert sea.release().steps == STEPS[3:]
    assert (sea.world.runs, sea.weights) == (dict.fromkeys("abc", "v2-1"), CALM)
    assert (sea.course.waves, sea.course.release) == ((), "")


def test_what_is_under_way_is_stopped_by_abort(sea: Sea) -> None:
    sea.patience = 60.0
    with pytest.raises(Killed):
        sea.release()
    _ends(sea.world)
    sea.patience = 600.0
    with pytest.raises(Refused, match="hello v2 goes through the world already"):
        sea.plan("v3")
    assert sea.abort().state == "aborted"
    assert (sea.world.runs, sea.weights) == (dict.fromkeys("abc", "v1-1"), CALM)
    with pytest.raises(Refused, match="no release goes through the world"):
        sea.abort()


def test_a_region_that_was_cut_off_half_way_is_brought_back_though_it_answers_as_before(sea: Sea) -> None:
    sea.kill_at = "b"
    with pytest.raises(Killed):
        sea.release()
    _ends(sea.world)
    sea.kill_at, row = "", sea.begins("b")
    assert sea.abort().state == "aborted"
    assert "b v1-1" in sea.calls
    assert sea.world.entrance().store.rollouts.get(row.id).state == "aborted"
    assert (sea.world.runs, sea.course.back) == (dict.fromkeys("abc", "v1-1"), "")


def test_who_is_at_work_on_a_region_is_asked_to_go_back_before_it_answers_otherwise(sea: Sea) -> None:
    sea.half = "b"

    def later() -> None:
        if not sea.waiting:
            return
        row = sea.world.entrance().store.rollouts.open("b").get("hello")
        if not sea.course.back and sea.course.under_way:
            sea.abort()
        elif row and row.request:
            sea.waiting[0]()

    sea.each_pass = later
    with pytest.raises(NotReady, match="went back: aborted by"):
        sea.release()
    assert sea.calls == ["a v2-1", "a v1-1", "b v2-1"]
    assert sea.world.runs == dict.fromkeys("abc", "v1-1")


def test_it_goes_on_only_when_the_regions_own_release_is_over(sea: Sea) -> None:
    sea.kill_at = "a"
    with pytest.raises(Killed):
        sea.release()
    _ends(sea.world)
    sea.world.runs["a"] = "v2-1"  # every node answers with it, and is still watched
    sea.kill_at, row = "", sea.begins("a")
    assert sea.release().state == "done"
    assert sea.calls == ["a v2-1", "a v2-1", "b v2-1", "c v2-1"]
    assert sea.world.entrance().store.rollouts.get(row.id).state == "done"


@pytest.mark.parametrize("error", [EngineFailed("gdnsd does not take it"), RuntimeError("a mistake of ours")])
def test_dns_that_cannot_be_written_for_a_while_holds_it_up_and_does_not_end_it(sea: Sea, error: Exception) -> None:
    told: list[str] = []

    def breaks() -> None:
        sea.world.dns.broken = error if sea.course.wave == 0 and sea.patience > 700 else None

    sea.each_pass = breaks
    result = release_waves(sea.world.entrance(), sea.plan(), lambda event: told.append(event.text), sea._make)
    assert (result.state, result.steps) == ("done", STEPS)
    assert len([words for words in told if str(error) in words]) == 1


@pytest.mark.parametrize("method", ["progressed", "course"])
def test_a_store_that_does_not_answer_for_a_while_holds_it_up_and_does_not_end_it(
    sea: Sea, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    sea.bad = {"c": "it does not start"}
    real: Callable[..., Any] = getattr(Traffic, method)
    failed = []

    def fails(*given: Any) -> Any:
        if 800 < sea.patience < 880:
            failed.append(given)
            raise Unreachable("the store does not answer", where="db")
        return real(*given)

    monkeypatch.setattr(Traffic, method, fails)
    with pytest.raises(NotReady, match="hello failed in c: it does not start"):
        sea.release()
    assert failed
    assert (sea.world.runs, sea.weights) == (dict.fromkeys("abc", "v1-1"), CALM)


def test_eyes_that_broke_are_others_then(sea: Sea, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Eyes] = []

    class Weak(Eyes):
        def board(self) -> Board:
            if len(made) == 1:
                self.broken = OSError("no more sockets")
                raise DuError("looking at regions has ended")
            return super().board()

    def eyes() -> Watcher:
        made.append(Weak(sea.world))
        return made[-1]

    sea.eyes = eyes
    assert sea.release().state == "done"
    assert [one.stopped for one in made] == [True, True]


def test_who_lost_the_release_to_another_process_ends(sea: Sea, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = sea.plan()

    def lost(lease: Lease) -> None:
        raise Busy("another one took over")

    monkeypatch.setattr(Lease, "check", lambda lease: lost(lease) if lease._name == f"waves of {NAME}" else None)
    with pytest.raises(Busy, match="another one took over"):
        release_waves(sea.world.entrance(), plan, silent, sea._make)
    assert sea.course.under_way


def test_fleet_yaml_is_followed_on_the_way_and_a_freeze_holds_everything(sea: Sea) -> None:
    frozen: list[tuple[int, list[str]]] = []
    writes: list[int] = []

    def edits() -> None:
        if sea.course.wave == 1 and len(frozen) < 20:
            sea.world.write(f"{SEA.replace('ttl: 1s', 'ttl: 2s')}  freeze: true\n")
            frozen.append((sea.course.step, list(sea.calls)))
            writes.append(len(sea.world.dns.writes))
        elif frozen:
            sea.world.write(SEA.replace("ttl: 1s", "ttl: 2s").replace("soak: 10s", "soak: 11s"))

    sea.each_pass = edits
    assert sea.release().state == "done"
    assert frozen[0] == frozen[-1] == (0, ["a v2-1"])
    assert writes[0] == writes[-1]
    assert sea.world.dns.record
    assert sea.world.dns.record.ttl == 2


def test_a_mistake_in_fleet_yaml_is_told_and_what_it_said_before_holds(
    sea: Sea, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    def edits() -> None:
        if sea.course.under_way and sea.course.wave == 0:
            sea.world.file.write_text("fleet: [")
        else:
            sea.world.write(SEA)

    plan, sea.each_pass, entrance = sea.plan(), edits, sea.world.entrance()
    monkeypatch.setattr(sea.world, "same", lambda: entrance)
    result = release_waves(sea.world.entrance(), plan, lambda event: told.append(event.text), sea._make)
    assert result.state == "done"
    assert len([words for words in told if "what the file said before holds" in words]) == 1


def test_two_processes_do_not_take_it_through_and_an_abort_beside_one_is_left_to_it(sea: Sea) -> None:
    entrance, plan = sea.world.entrance(), sea.plan()
    with entrance.store.leases.held(f"waves of {NAME}", "takes a release through the world"):
        with pytest.raises(Busy) as error:
            release_waves(sea.world.entrance(), plan, silent, sea._make)
        assert "abort --waves" in error.value.todo
        waves._begin(entrance, plan)
        assert sea.abort().steps == ("whoever is at work on it goes back",)
    assert sea.course.back == "hello"


def test_a_drained_region_gets_it_at_the_end(sea: Sea) -> None:
    entrance = sea.world.entrance()
    keep(entrance, courses.drain(sea.course, "c"), "drain c")
    sea.world.run(sea.world.desk(), 30)
    assert sea.release().state == "done"
    assert sea.calls[-1] == "c v2-1"
    assert sea.course.drained == ("c",)


def test_a_drain_on_the_way_does_not_hold_it_up_and_is_not_undone_on_the_way_back(sea: Sea) -> None:
    def drains() -> None:
        if sea.course.step == 1 and not sea.course.drained:
            keep(sea.world.same(), courses.drain(sea.course, "b"), "drain b")

    sea.each_pass, sea.bad = drains, {"c": "it does not start"}
    with pytest.raises(NotReady, match="hello failed in c"):
        sea.release()
    assert (sea.world.runs, sea.course.drained) == (dict.fromkeys("abc", "v1-1"), ("b",))
    assert sea.course.weights == CALM


def test_meanwhile_a_region_is_not_released_by_hand(sea: Sea) -> None:
    entrance, plan = sea.world.entrance(), sea.plan()
    bring.leave_to_waves(entrance.regions["a"], "hello")
    waves._begin(entrance, plan)
    with pytest.raises(Refused, match="goes through the world by waves"):
        bring.leave_to_waves(entrance.regions["a"], "hello")
    bring.leave_to_waves(entrance.regions["a"], "other")


def test_what_is_no_release_through_the_world_is_refused_before_anything_is_done(sea: Sea) -> None:
    with pytest.raises(SpecError, match="no region runs a service helo"):
        plan_waves(sea.world.entrance(), "helo", "v2", {}, silent)
    sea.world.write(f"{SEA}  freeze: true\n")
    with pytest.raises(Refused, match="guard freeze"):
        sea.plan()
    sea.world.write(SEA)
    sea.world.runs["b"] = ""
    with pytest.raises(Refused, match="no release of hello is pinned in b"):
        sea.plan()


class Minded:
    """A loop's wave minder on the sea; a look takes two seconds. ``over``: the loop ends."""

    def __init__(self, sea: Sea, monkeypatch: pytest.MonkeyPatch, *, dry_run: bool = False) -> None:
        self.sea, self.over, self.told = sea, False, list[str]()
        monkeypatch.setattr(cut_off, "time", SimpleNamespace(monotonic=lambda: sea.world.now))
        self.minder = WaveMinder(self._tell, silent, lambda: self.over, dry_run=dry_run, make=sea._make)

    def looks(self, times: int) -> None:
        for _ in range(times):
            self.minder.look(self.sea.world.same())
            self.sea.world.now += 2.0

    def _tell(self, decision: Decision) -> None:
        self.told.append(f"{decision.kind}: {decision.text}")


def cut_off_at(sea: Sea, region: str) -> None:
    sea.kill_at = region
    with pytest.raises(Killed):
        sea.release()
    sea.kill_at = ""


@pytest.mark.parametrize("region", ["a", "b"])
def test_the_loop_goes_on_with_what_nobody_is_at_work_on(
    sea: Sea, monkeypatch: pytest.MonkeyPatch, region: str
) -> None:
    loop = Minded(sea, monkeypatch)
    loop.looks(10)
    assert loop.told == []
    cut_off_at(sea, region)
    _ends(sea.world)
    loop.looks(5)
    assert loop.told == []  # the person may say it again
    loop.looks(5)
    assert loop.told[0].startswith("resume: hello v2 goes on through the world")
    assert loop.told[1:] == ["done: hello v2 serves in every wave"]
    assert (sea.world.runs, sea.weights) == (dict.fromkeys("abc", "v2-1"), CALM)


def test_the_loop_takes_back_what_fails_and_says_why(sea: Sea, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Minded(sea, monkeypatch)
    cut_off_at(sea, "a")
    _ends(sea.world)
    sea.bad = {"b": "it does not start"}
    loop.looks(10)
    assert "it does not start" in loop.told[1] and loop.told[1].startswith("failed: ")
    assert (sea.world.runs, sea.weights) == (dict.fromkeys("abc", "v1-1"), CALM)
    assert len(loop.told) == 2


def test_the_loop_leaves_alone_what_somebody_is_at_work_on_and_a_dry_run_only_says_it(
    sea: Sea, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop, dry = Minded(sea, monkeypatch), Minded(sea, monkeypatch, dry_run=True)
    cut_off_at(sea, "b")
    _ends(sea.world)
    before = sea.course
    with sea.world.entrance().store.leases.held(f"waves of {NAME}", "takes a release through the world"):
        loop.looks(20)
    assert (loop.told, sea.course) == ([], before)
    dry.looks(20)
    assert [one.partition(":")[0] for one in dry.told] == ["resume"]
    assert sea.course == before


def test_a_loop_that_ends_begins_nothing_more_and_the_next_one_goes_on(
    sea: Sea, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Minded(sea, monkeypatch)
    cut_off_at(sea, "a")
    _ends(sea.world)

    def ends() -> None:
        loop.over = sea.course.wave == 1

    sea.each_pass = ends
    loop.looks(10)
    assert loop.told == ["resume: hello v2 goes on through the world: nobody is at work on it any more"]
    assert sea.course.under_way and sea.world.runs["c"] == "v1-1"
    sea.each_pass = lambda: None
    again = Minded(sea, monkeypatch)
    again.looks(10)
    assert again.told[-1] == "done: hello v2 serves in every wave"


def test_what_it_was_begun_with_holds_for_whoever_goes_on(sea: Sea, monkeypatch: pytest.MonkeyPatch) -> None:
    orders: list[Order] = []
    real = sea._bring

    def bring_(context: RegionContext, order: Order, report: Reporter) -> None:
        orders.append(order)
        real(context, order, report)

    monkeypatch.setattr(sea, "_bring", bring_)
    sea.kill_at = "b"
    options = {"observe": 60.0, "canary": [5, 50], "batch": None}
    with pytest.raises(Killed):
        release_waves(
            sea.world.entrance(), plan_waves(sea.world.entrance(), "hello", "v2", options, silent), silent, sea._make
        )
    _ends(sea.world)
    sea.kill_at = ""
    Minded(sea, monkeypatch).looks(10)
    assert {(one.wish.observe, tuple(one.wish.canary or ()), one.wish.batch) for one in orders} == {
        (60.0, (5, 50), None)
    }
    assert sea.course.wish == {}
