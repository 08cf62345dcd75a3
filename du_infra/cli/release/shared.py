"""What the verbs of ``du-infra release`` share: which region, and how they end."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from du_infra.cli.failure import error_json
from du_infra.cli.options import confirm, echo_json, fleet_option
from du_infra.cli.progress_view import progress_view
from du_infra.errors import INTERRUPTED, DuError, SpecError
from du_infra.progress import Reporter

if TYPE_CHECKING:
    from du_infra.control.release.result import ReleaseResult
    from du_infra.fleet import Region
    from du_infra.release.outline import ReleasePlan

F = TypeVar("F", bound=Callable[..., Any])


def region_option(function: F) -> F:
    """``--region NAME`` and ``--fleet FILE``, given to the verb as ``region``."""

    @functools.wraps(function)
    def verb(*args: Any, region_name: str | None, fleet_file: Path, **options: Any) -> Any:
        return function(*args, region=_region_of(fleet_file, region_name), **options)

    which = click.option("--region", "region_name", metavar="NAME", help="The region; needed if there are several.")
    return cast(F, fleet_option(which(verb)))


def waves_option(function: F) -> F:
    """``--waves`` beside those: with it the verb is given ``region`` None, and ``traffic``, which is None without."""

    @functools.wraps(function)
    def verb(*args: Any, region_name: str | None, fleet_file: Path, waves: bool, **options: Any) -> Any:
        if not waves:
            return function(*args, region=_region_of(fleet_file, region_name), traffic=None, **options)
        if region_name:
            raise SpecError("--waves goes through all regions", where=f"--region {region_name}", todo="leave one out")
        from du_infra.fleet import load

        return function(*args, region=None, traffic=load(fleet_file).traffic, **options)

    which = click.option("--region", "region_name", metavar="NAME", help="The region; needed if there are several.")
    through = click.option("--waves", is_flag=True, help="Through all regions, by fleet.yaml's waves.")
    return cast(F, fleet_option(which(through(verb))))


def _region_of(fleet_file: Path, name: str | None) -> Region:
    from du_infra.fleet import load

    fleet = load(fleet_file)
    if name is None and len(fleet.regions) > 1:
        raise SpecError("the fleet has several regions", todo=f"add --region with one of: {', '.join(fleet.regions)}")
    return fleet.region(name or fleet.regions[0])


def carry_out(plan: ReleasePlan, question: str, region: Region, output: str, *, yes: bool) -> None:
    """Show the plan, ask, do it, and show how it ended; nothing is asked where there is nothing to do."""
    from du_infra.cli.release_view import show_plan

    if not plan.there:
        show_plan(plan)
        confirm(question, yes)
    conclude(region, output, lambda report: region.carry_out(plan, report=report), plan.record)


def conclude(
    region: Region,
    output: str,
    work: Callable[[Reporter], ReleaseResult],
    record: Mapping[str, Any] | None = None,
) -> None:
    """Do the work, and show how it ended. ``record`` is the release that it is about, where that is known before."""
    from du_infra.cli.release_view import show_result

    result = carried_out(region, output, work)
    if output == "json":
        echo_json(result.to_json())
    else:
        show_result(result, record)


def carried_out(region: Region, output: str, work: Callable[[Reporter], ReleaseResult]) -> ReleaseResult:
    """Do the work, showing how it goes. For programs a failure is told on stdout, too; Ctrl-C says what goes on."""
    past = [row.id for row in region.releases(limit=1) if not row.open]
    try:
        with progress_view() as report:
            return work(report)
    except KeyboardInterrupt:
        _say_what_goes_on(region)
        raise SystemExit(INTERRUPTED) from None
    except DuError as error:
        if output == "json":
            ours = [row.to_json() for row in region.releases(limit=1) if row.id not in past]
            echo_json({"state": "failed", **(ours[0] if ours else {}), "error": error_json(error)})
        raise


def _say_what_goes_on(region: Region) -> None:
    rows = [row for row in region.releases(limit=10) if row.open]
    if not rows:
        click.echo("\nstopped; nothing is under way", err=True)
        return
    click.echo("\nstopped watching; a node that is at work goes on by itself", err=True)
    for row in rows:
        click.echo(f"  `du-infra release resume {row.service}` goes on with {row.release}", err=True)
        click.echo(f"  `du-infra release abort {row.service}` goes back to {row.previous or 'nothing'}", err=True)
