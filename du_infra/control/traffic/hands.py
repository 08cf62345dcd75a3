"""Who brings regions to their releases while passes go on: a thread for each region that is being brought."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from du_infra.control.context import RegionContext
from du_infra.control.traffic import bring
from du_infra.control.traffic.bring import Order
from du_infra.errors import Busy, DuError
from du_infra.progress import Event, Reporter

STAGE = "waves"
_FIRST_WAIT, _LONGEST_WAIT = 5.0, 60.0

Bring = Callable[[RegionContext, Order, Reporter], None]
Start = Callable[[Callable[[], None]], None]


@dataclass
class _Trip:
    """One region on its way: ``order`` while it is worked on, then ``trouble``, and when it may be tried again."""

    order: Order | None = None
    trouble: str = ""
    wait: float = _FIRST_WAIT
    not_before: float = float("-inf")


def in_a_thread(work: Callable[[], None]) -> None:
    """It is not waited for: what it began goes on by the store when it is gone."""
    threading.Thread(target=work, daemon=True, name="wave").start()


class Hands:
    """``bring_one`` and ``start`` are stood in for by tests."""

    def __init__(
        self,
        regions: Mapping[str, RegionContext],
        report: Reporter,
        bring_one: Bring = bring.bring,
        start: Start = in_a_thread,
    ) -> None:
        self._regions, self._report, self._bring, self._start = regions, report, bring_one, start
        self._trips: dict[str, _Trip] = {}
        self._resting = False

    def know(self, regions: Mapping[str, RegionContext]) -> None:
        """These are the regions from now on, as fleet.yaml has them."""
        self._regions = regions

    @property
    def at_work(self) -> list[str]:
        """The regions that are being brought somewhere."""
        return [name for name, trip in self._trips.items() if trip.order]

    @property
    def troubles(self) -> dict[str, str]:
        """Where it did not work, and why."""
        return {name: trip.trouble for name, trip in self._trips.items() if trip.trouble and not trip.order}

    def rest(self) -> list[str]:
        """Set out with none any more; the regions that are on their way."""
        self._resting = True
        return self.at_work

    def bring(self, orders: Mapping[str, Order], *, one_by_one: bool) -> None:
        """Set out with those that may be tried now; ``one_by_one``: with none while another is on its way."""
        for name, order in orders.items():
            trip = self._trips.setdefault(name, _Trip())
            held = self._resting or (one_by_one and self.at_work)
            if trip.order or held or time.monotonic() < trip.not_before:
                continue
            trip.order = order
            self._start(lambda name=name, order=order: self._go(name, order))  # type: ignore[misc]

    def turn_back(self) -> None:
        """Have all releases that are on their way forward end at once; what they did goes back with them."""
        for name, trip in self._trips.items():
            if (order := trip.order) and not order.back and name in self._regions:
                bring.stop(self._regions[name], order.service)

    def forget_troubles(self) -> None:
        """What is wanted is something else now."""
        self._trips = {name: trip for name, trip in self._trips.items() if trip.order}

    def _go(self, name: str, order: Order) -> None:
        trip = self._trips[name]
        try:
            self._bring(self._regions[name], order, self._report)
        except Busy:
            trip.not_before = time.monotonic() + _FIRST_WAIT
        except DuError as error:
            self._failed(name, trip, str(error))
        except Exception as error:
            self._failed(name, trip, f"unforeseen: {type(error).__name__}: {error}")
        else:
            trip.trouble, trip.wait = "", _FIRST_WAIT
        finally:  # also where nobody hears of the trouble: a wave waits for who is at work
            trip.order = None

    def _failed(self, name: str, trip: _Trip, why: str) -> None:
        trip.trouble = why
        trip.not_before, trip.wait = time.monotonic() + trip.wait, min(2 * trip.wait, _LONGEST_WAIT)
        self._report(Event("warning", STAGE, why, name))
