"""``--waves`` of ``release start`` and ``abort``: a release through all regions, as a person sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from du_infra.cli.failure import error_json
from du_infra.cli.options import confirm, echo_json
from du_infra.cli.progress_view import progress_view
from du_infra.errors import INTERRUPTED, DuError, SpecError
from du_infra.progress import Reporter

if TYPE_CHECKING:
    from du_infra.control.traffic.waves import WaveResult
    from du_infra.entrance import Traffic
    from du_infra.traffic.itinerary import WavePlan


def start(traffic: Traffic, service: str, tag: str, wish: dict[str, Any], output: str, *, yes: bool) -> None:
    """Show the plan, ask, and take it through."""
    if wish.pop("hold"):
        raise SpecError("a release through all regions stops at shares, not on a preview", where="--hold")
    with progress_view() as report:
        plan = traffic.plan_release(service, tag, **wish, report=report)
    if not plan.there:
        _show(plan)
        confirm(f"Release {service} {tag} through {plan.name}?", yes)
    about = {"name": plan.name, "service": service, "release": plan.release}
    _conclude(lambda report: traffic.release(plan, report=report), about, output)


def abort(traffic: Traffic, service: str, output: str) -> None:
    """Have it go back everywhere."""
    about = {"name": traffic.name, "service": service}
    _conclude(lambda report: traffic.abort_release(service, report=report), about, output)


def _conclude(work: Callable[[Reporter], WaveResult], about: dict[str, Any], output: str) -> None:
    try:
        with progress_view() as report:
            result = work(report)
    except KeyboardInterrupt:
        click.echo("\nstopped; what regions do just now goes on by itself", err=True)
        click.echo("  the same command goes on; `du-infra release abort --waves` goes back", err=True)
        raise SystemExit(INTERRUPTED) from None
    except DuError as error:
        if output == "json":
            echo_json({"state": "failed", **about, "error": error_json(error)})
        raise
    if output == "json":
        echo_json(result.to_json())
        return
    for words in result.steps:
        click.echo(f"done       {words}")
    click.secho(f"{result.service} {_WORDS[result.state].format(release=result.release)}", fg="green")


_WORDS = {
    "done": "{release} serves in every region",
    "unchanged": "{release} serves in every region already; nothing to do",
    "aborted": "was aborted",
}


def _show(plan: WavePlan) -> None:
    """On stderr: stdout is for the result."""
    verb = "Go back with" if plan.goes_back else "Go on with" if plan.goes_on else "Release"
    click.echo(f"{verb} {plan.service} {plan.tag} ({plan.release}) through {plan.name}", err=True)
    for number, leg in enumerate(plan.legs, 1):
        regions = ", ".join(f"{name} ({plan.previous.get(name) or 'nothing'})" for name in leg.regions)
        here = "  ← here" if plan.goes_on and number == plan.wave + 1 else ""
        shares = " → ".join(str(share) for share in leg.shares)
        click.echo(f"  wave {number}   {regions}: {shares} % of the answers{here}", err=True)
    seen = f" once gateways have seen it in {plan.min_requests} requests" if plan.min_requests else ""
    click.echo(f"  next     when each share has stood for {plan.soak:.0f} s{seen}", err=True)
    click.echo("  back     in every region, when it fails in one or one that runs it goes down", err=True)
