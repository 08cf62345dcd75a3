"""du-infra as a library: ``du_infra.load("fleet.yaml").region("home").up()``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from du_infra.progress import Reporter, silent
from du_infra.spec import FleetSpec, load_spec, region_of

if TYPE_CHECKING:
    from du_infra.control.context import RegionContext
    from du_infra.control.down import DownResult
    from du_infra.control.region_plan import RegionPlan
    from du_infra.control.up import UpResult
    from du_infra.health.state import RegionStatus


@dataclass(frozen=True)
class Region:
    """One region of a fleet. Every method observes first, so the object never grows stale."""

    fleet: Fleet
    name: str

    def up(self, *, report: Reporter = silent, reconfigure: bool = False) -> UpResult:
        """Bring the region to what fleet.yaml says; safe to run again at any time.

        ``report`` is told of every stage and step; ``reconfigure`` runs Ansible even where nothing asks for it.
        Raises a subclass of DuError.
        """
        from du_infra.control.up import region_up

        return region_up(self._context(), report, reconfigure=reconfigure)

    def down(self, *, report: Reporter = silent) -> DownResult:
        """Destroy the region's machines and forget it. Nobody is asked: that is the command line's part."""
        from du_infra.control.down import region_down

        return region_down(self._context(), report)

    def doomed(self) -> list[str]:
        """The machines that ``down`` would destroy, by name."""
        from du_infra.control.down import doomed

        return doomed(self._context())

    def status(self) -> RegionStatus:
        """The region as it is now."""
        from du_infra.control.status import region_status

        return region_status(self._context())

    def plan(self) -> RegionPlan:
        """What ``up`` would do now."""
        from du_infra.control.status import region_plan

        return region_plan(self._context())

    def _context(self) -> RegionContext:
        from du_infra.control.context import RegionContext

        return RegionContext(self.fleet.spec, self.name, self.fleet.folder)


@dataclass(frozen=True)
class Fleet:
    """A fleet file that was read and found right; ``folder`` is where it stands, its state beside it."""

    spec: FleetSpec
    folder: Path

    @property
    def regions(self) -> tuple[str, ...]:
        """The names of the fleet's regions, in the file's order."""
        return tuple(self.spec.regions)

    def region(self, name: str) -> Region:
        """One region of the fleet. Raises SpecError for a name that fleet.yaml does not have."""
        region_of(self.spec, name)
        return Region(self, name)


def load(path: str | Path = "fleet.yaml") -> Fleet:
    """Read and check a fleet file. Raises SpecError that names every mistake by line and column."""
    file = Path(path)
    return Fleet(load_spec(file), file.resolve().parent)
