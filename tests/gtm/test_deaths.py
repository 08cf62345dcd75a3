"""What dies, is cut off or lies, under load that finds the fleet by its name; and in what time the answers are right.

Nobody heals regions here, so that a dead one stays dead until a test wakes it. docs/traffic.md has what was seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from du_infra.progress import silent
from tests.gtm import harm
from tests.gtm.globe import DNS_HERE, REGIONS, TTL, Controller, Globe, minded
from tests.gtm.load import Load
from tests.region.conftest import lxc

pytestmark = [pytest.mark.lxd, pytest.mark.slow, pytest.mark.timeout(1200)]

OUT_SECONDS = 10.0
HOLD_SECONDS = 5.0
BACK_SECONDS = 60.0
CALM_SECONDS = 20.0
CLIENTS = 120


@dataclass
class Watch:
    """A case from its beginning on."""

    globe: Globe
    load: Load
    controller: Controller
    slack: float = 0.0
    began: float = field(default_factory=time.monotonic)
    wall: float = field(default_factory=time.time)

    @property
    def bound(self) -> float:
        """In how many seconds a dead region must be out: on a busy machine each of the controller's waits is longer."""
        return OUT_SECONDS + self.slack

    def out(self, region: str) -> float:
        """Waits until nobody is given this region, and says how long after the beginning it was given last."""
        address = self.globe.addresses[region]
        deadline = self.began + OUT_SECONDS + 20
        while (last := max(self.load.given(address, self.began), default=self.began)) > time.monotonic() - 3:
            assert time.monotonic() < deadline, f"{region} is still given out: {self.globe.changes(self.wall)}"
            time.sleep(0.1)
        return last - self.began

    def failing(self, region: str) -> float:
        """How long after the beginning the last request to this region failed."""
        return max(self.load.failed(self.globe.addresses[region], self.began), default=self.began) - self.began

    def back(self, region: str, since: float) -> float:
        """Waits until the region is given out again by decision, and says how long after ``since``."""
        address = self.globe.addresses[region]
        self.globe.until(lambda: f"return {region}" in self.changes(), BACK_SECONDS, f"{region} returns")
        returned = time.monotonic() - 2  # a gdnsd that was down with its region may give it out by what it knew before
        self.globe.until(lambda: self.load.given(address, returned) != [], BACK_SECONDS, f"{region} is back")
        return self.load.given(address, returned)[0] - since

    def changes(self) -> list[str]:
        return self.globe.changes(self.wall)

    def tell(self, **seconds: float) -> None:
        """One line for the table in the docs."""
        failed = sum(not one.ok for one in self.load.requests if one.at >= self.began)
        asked = sum(one.at >= self.began for one in self.load.requests)
        words = ", ".join(f"{name} {value:.1f} s" for name, value in seconds.items())
        print(f"\n{words or 'no change'}; {failed} of {asked} requests failed; {', '.join(self.changes()) or '-'}")
        print(f"  (a busy machine: {self.slack:.1f} s more are given)")
        for at, told in self.controller.told:
            if at > self.began:
                print(f"  {at - self.began:5.1f} s {told['kind']} {told['region']} {told['text'][:90]}")


@pytest.fixture(scope="module")
def globe(world: Globe) -> Globe:
    """All alike, and at once."""
    world.settle({"ams": 34, "fra": 33, "nyc": 33})
    more = f"  canary: []\n  soak: 0s\n  hold: {HOLD_SECONDS:.0f}s\n  min_requests: 0\n"
    world.write("ams: 34, fra: 33, nyc: 33", more)
    return world


@contextmanager
def watched(globe: Globe, group: int = 0) -> Iterator[tuple[Watch, Controller]]:
    """A controller and load, all regions given out; no answer may be empty, whatever is done meanwhile."""
    globe.forget_falls()
    with minded(globe, group) as controller, globe.load(CLIENTS).running() as load:
        globe.until(lambda: len(list(globe.record().live())) == len(REGIONS), 180, "all are given out")
        globe.until(lambda: all(load.given(globe.addresses[name]) for name in REGIONS), 60, "all are answered")
        _seen(controller)
        yield Watch(globe, load, controller, _slack(globe)), controller
    assert load.wrong == []
    assert len(load.requests) > CLIENTS


def _slack(globe: Globe) -> float:
    """A read of DNS over SSH takes 0.4 s on a machine with nothing else to do, and five waits of that kind add up."""
    took = []
    for _ in range(3):
        began = time.monotonic()
        globe.entrance.backend(globe.entrance.servers(globe.entrance.records()), silent).read()
        took.append(time.monotonic() - began)
    return 5 * max(0.0, sorted(took)[1] - 0.5)


def _seen(controller: Controller) -> None:
    """Wait until the controller has heard from everybody: a word that was never said counts for nothing."""
    time.sleep(10)
    assert controller.said("failed") == []


DEATHS: dict[str, tuple[Callable[[Globe, str], None], Callable[[Globe, str], None], str]] = {
    "a region's machine is gone": (harm.stop_machine, harm.start_machine, "nyc"),
    "a region's machine hangs": (harm.freeze_machine, harm.wake_machine, "nyc"),
    "a region that answers DNS is gone": (harm.stop_machine, harm.start_machine, "fra"),
    "a gateway has ended and does not start again": (harm.end_gateway, harm.mend_gateway, "nyc"),
}


@pytest.mark.parametrize("name", DEATHS)
def test_a_dead_region_is_out_of_the_answers_in_time_and_back_once(globe: Globe, name: str) -> None:
    kill, mend, region = DEATHS[name]
    with watched(globe) as (watch, _):
        watch.began = time.monotonic()
        try:
            kill(globe, region)
            done = time.monotonic() - watch.began
            out, failing = watch.out(region) - done, watch.failing(region) - done
            time.sleep(CALM_SECONDS / 2)
        finally:
            mend(globe, region)
        back = watch.back(region, time.monotonic())
        time.sleep(CALM_SECONDS / 2)
        watch.tell(out=out, failing=failing, back=back)
    assert out <= watch.bound
    assert failing <= watch.bound + TTL + 2
    assert watch.changes() == [f"fail-over {region}", f"return {region}"]


def test_a_gateway_that_is_killed_is_there_again_before_anybody_is_called_dead(globe: Globe) -> None:
    with watched(globe) as (watch, _):
        harm.kill_gateway(globe, "nyc")
        time.sleep(CALM_SECONDS)
        watch.tell(failing=watch.failing("nyc"))
    assert watch.changes() == []


def test_no_controller_no_change_and_the_next_one_goes_on(globe: Globe) -> None:
    with watched(globe) as (watch, controller):
        controller.kill()
        time.sleep(CALM_SECONDS)
        assert watch.changes() == []
        assert watch.load.failed(globe.addresses["nyc"], watch.began) == []
        try:
            harm.stop_machine(globe, "nyc")
            time.sleep(CALM_SECONDS / 2)
            assert watch.changes() == []
            watch.began = time.monotonic()
            with minded(globe):
                started = watch.out("nyc")
                harm.start_machine(globe, "nyc")
                back = watch.back("nyc", time.monotonic())
                watch.tell(out_after_its_start=started, back=back)
        finally:
            _started(globe, "nyc")
    assert watch.changes() == ["fail-over nyc", "return nyc"]


def test_a_controller_that_is_killed_while_a_region_falls_is_followed_by_another(globe: Globe) -> None:
    with watched(globe) as (watch, controller), minded(globe) as other:
        _seen(other)
        watch.began = time.monotonic()
        try:
            harm.stop_machine(globe, "nyc")
            time.sleep(2)
            controller.kill()
            out = watch.out("nyc")
        finally:
            _started(globe, "nyc")
        back = watch.back("nyc", time.monotonic())
        watch.tell(out=out, back=back)
    assert out <= watch.bound
    assert watch.changes() == ["fail-over nyc", "return nyc"]


def test_a_controller_that_is_cut_off_from_a_region_that_others_reach_changes_nothing(globe: Globe) -> None:
    with watched(globe, harm.CUT_OFF_GROUP) as (watch, controller):
        with harm.cut_off(globe, "nyc"):
            time.sleep(2 * CALM_SECONDS)
            assert any(words.startswith("nyc") for words in controller.said("left")), controller.told
        time.sleep(CALM_SECONDS / 2)
        watch.tell()
    assert watch.changes() == []


def test_observers_that_disagree_change_nothing_until_most_of_them_say_the_same(globe: Globe) -> None:
    with watched(globe, harm.CUT_OFF_GROUP) as (watch, _):
        with harm.blind(globe, "ams", "nyc"):
            time.sleep(CALM_SECONDS)
        for _ in range(5):
            with harm.cut_off(globe, "nyc"):
                time.sleep(2)
            time.sleep(2)
        assert watch.changes() == []
        watch.began = time.monotonic()
        with harm.blind(globe, "ams", "nyc"), harm.blind(globe, "fra", "nyc"):
            out = watch.out("nyc")
        back = watch.back("nyc", time.monotonic())
        watch.tell(out_once_most_say_so=out, back=back)
    assert out <= watch.bound
    assert watch.changes() == ["fail-over nyc", "return nyc"]


STATES: dict[str, tuple[str, ...]] = {
    "missing": ("rm", "/etc/gdnsd/du-infra/current/states"),
    "stale": ("sed", "-i", "s/DOWN/UP/", "/etc/gdnsd/du-infra/current/states"),
    "unreadable": ("sh", "-c", "head -c 100 /dev/urandom > /etc/gdnsd/du-infra/current/states"),
}


@pytest.mark.parametrize(
    ("state", "where", "restarts"),
    [
        ("missing", DNS_HERE, False),
        ("missing", DNS_HERE, True),
        ("stale", DNS_HERE, False),
        ("stale", DNS_HERE[:1], False),
        ("unreadable", DNS_HERE[:1], True),
    ],
    ids=lambda value: {True: "restarted", False: "running"}.get(value) if isinstance(value, bool) else None,
)
def test_who_is_up_is_put_right_when_gdnsd_has_lost_it(
    globe: Globe, state: str, where: tuple[str, ...], restarts: bool
) -> None:
    """A region is dead, and gdnsd's file of who is up is lost, or of before."""
    with watched(globe) as (watch, _), ExitStack() as undone:
        undone.callback(_started, globe, "nyc")
        harm.stop_machine(globe, "nyc")
        watch.out("nyc")
        time.sleep(5)
        lost = time.monotonic()
        for name in where:
            globe.on(name, *STATES[state])
            if restarts:
                globe.on(name, "systemctl", "kill", "-s", "KILL", "gdnsd")
        done = time.monotonic()
        time.sleep(CALM_SECONDS)
        again = watch.load.given(globe.addresses["nyc"], lost)
        undone.close()
        watch.back("nyc", time.monotonic())
        watch.tell(given_out_again_until=max(again, default=done) - done)
    assert max(again, default=done) - done <= watch.bound
    kinds = {change for change in watch.changes() if not change.startswith("mend")}
    assert kinds == {"fail-over nyc", "return nyc"}


def _started(globe: Globe, region: str) -> None:
    """Wake the machine where it does not run."""
    if "RUNNING" not in lxc("list", globe.node(region).name, "-f", "csv", "-c", "s"):
        harm.start_machine(globe, region)
