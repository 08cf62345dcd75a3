"""The world's entrance as a library: ``du_infra.load("fleet.yaml").traffic.drain("home")``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from du_infra.progress import Reporter, silent
from du_infra.traffic.order import TrafficOrder

if TYPE_CHECKING:
    from du_infra.control.traffic.entrance import Entrance
    from du_infra.control.traffic.orders import TrafficPlan, TrafficResult
    from du_infra.control.traffic.status import Explained, TrafficStatus
    from du_infra.control.traffic.waves import WaveResult
    from du_infra.fleet import Fleet
    from du_infra.traffic.itinerary import WavePlan


@dataclass(frozen=True)
class Traffic:
    """The one DNS name that leads to a fleet's regions. Every method looks first: at regions, their nodes, and DNS."""

    fleet: Fleet

    @property
    def name(self) -> str:
        """The whole DNS name."""
        return self._entrance().name

    def status(self, *, report: Reporter = silent) -> TrafficStatus:
        """Regions, shares, who is up by whose word, and what every authoritative server answers."""
        from du_infra.control.traffic.status import traffic_status

        return traffic_status(self._entrance(), report)

    def explain(self, region: str = "", *, last: int = 10, report: Reporter = silent) -> Explained:
        """Votes, guards, and the ``last`` decisions with their reasons; of all regions, or one."""
        from du_infra.control.traffic.status import explain

        return explain(self._entrance(), report, region, last)

    def plan(self, order: TrafficOrder | None = None, *, report: Reporter = silent) -> TrafficPlan:
        """What ``carry_out`` would do now. Raises Refused where a guard forbids what is asked for, and names it."""
        from du_infra.control.traffic.orders import change_of, plan_order

        return plan_order(self._entrance(), report, *change_of(order))

    def carry_out(self, order: TrafficOrder | None = None, *, report: Reporter = silent) -> TrafficResult:
        """Have it wanted from now on, and make one pass; nobody is asked.

        Steps that have to wait are made by ``du-infra control run``, or by another call without an order. Raises what
        ``plan`` does, Busy while another controller changes DNS, and NotReady when a server answers something else.
        """
        from du_infra.control.traffic.orders import carry_out, change_of

        return carry_out(self._entrance(), report, *change_of(order))

    def apply(self, *, report: Reporter = silent) -> TrafficResult:
        """One pass towards what fleet.yaml and people want, as far as guards allow."""
        return self.carry_out(report=report)

    def shift(self, *, report: Reporter = silent, **shares: int) -> TrafficResult:
        """``shift(home=25)``: see ``TrafficOrder.shift``. Regions whose names are no words of Python: ``carry_out``."""
        return self.carry_out(TrafficOrder.shift(shares), report=report)

    def drain(self, region: str, *, report: Reporter = silent) -> TrafficResult:
        """See ``TrafficOrder.drain``."""
        return self.carry_out(TrafficOrder.drain(region), report=report)

    def undrain(self, region: str, *, report: Reporter = silent) -> TrafficResult:
        """See ``TrafficOrder.undrain``."""
        return self.carry_out(TrafficOrder.undrain(region), report=report)

    def plan_release(
        self,
        service: str,
        tag: str,
        *,
        observe: float | None = None,
        canary: Sequence[int] | None = None,
        batch: int | None = None,
        report: Reporter = silent,
    ) -> WavePlan:
        """What releasing ``service`` at ``tag`` through the world would do, or still has to do; changes nothing.

        ``observe``, ``canary`` and ``batch`` are of the release in each region, as ``Region.release`` has them. Raises
        Refused where a region is not up, another release is open, or nothing is allowed to change.
        """
        from du_infra.control.traffic.waves import plan_waves

        options = {"observe": observe, "canary": canary, "batch": batch}
        return plan_waves(self._entrance(), service, tag, options, report)

    def release(self, plan: WavePlan, *, report: Reporter = silent) -> WaveResult:
        """Do what was planned: wave after wave, each share held until gateways have seen it; nobody is asked.

        It is through when this returns. When it fails anywhere everything goes back, in all regions, and NotReady is
        raised. Killed, the same plan made again goes on. Raises Busy while another process is at it.
        """
        from du_infra.control.traffic.waves import release_waves

        return release_waves(self._entrance(), plan, report)

    def abort_release(self, service: str = "", *, report: Reporter = silent) -> WaveResult:
        """Have a release that goes through the world go back everywhere. Raises Refused when none does."""
        from du_infra.control.traffic.waves import abort_waves

        return abort_waves(self._entrance(), service, report)

    def _entrance(self) -> Entrance:
        from du_infra.control.traffic.entrance import Entrance

        return Entrance(self.fleet.spec, self.fleet.folder, self.fleet.file)
