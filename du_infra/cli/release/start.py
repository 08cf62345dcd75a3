"""``du-infra release start SERVICE TAG``."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from du_infra.cli.options import output_option, seconds, yes_option
from du_infra.cli.release.shared import carry_out, waves_option
from du_infra.errors import SpecError

if TYPE_CHECKING:
    from du_infra.entrance import Traffic
    from du_infra.fleet import Region

F = TypeVar("F", bound=Callable[..., Any])


def _shares(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    from du_infra.spec import ReleaseSpec

    if value is None:
        return None
    try:
        shares = () if value in ("none", "[]") else tuple(int(share) for share in value.strip("[]").split(","))
        return ReleaseSpec(canary=shares).canary
    except ValueError as error:
        words = f"{value!r} must be growing percentages such as 5,25,100, or none"
        raise click.BadParameter(words, ctx, param) from error


def _wish_options(function: F) -> F:
    """What overrides the service's settings for this release, given to the verb as ``wish``."""

    @functools.wraps(function)
    def verb(*args: Any, hold: bool, observe: float | None, canary: Any, batch: int | None, **options: Any) -> Any:
        wish = {"hold": hold, "observe": observe, "canary": canary, "batch": batch}
        return function(*args, wish=wish, **options)

    for option in (
        click.option("--batch", type=click.IntRange(1, 50), help="How many nodes at once."),
        click.option(
            "--canary", metavar="SHARES", callback=_shares, help="Shares of the requests, such as 5,25,100, or none."
        ),
        click.option(
            "--observe", metavar="DURATION", callback=seconds, help="How long to watch the new version, such as 60s."
        ),
        click.option("--hold", is_flag=True, help="Stop with it on its preview address; then promote or abort."),
    ):
        verb = option(verb)
    return cast(F, verb)


@click.command("start")
@click.argument("service")
@click.argument("tag")
@_wish_options
@waves_option
@output_option
@yes_option
def command(
    service: str,
    tag: str,
    region: Region | None,
    traffic: Traffic | None,
    wish: dict[str, Any],
    output: str,
    yes: bool,
) -> None:
    """Have SERVICE go live at TAG, with fleet.yaml's other settings. Prints what it would do, and asks.

    It is watched; if it does badly everything goes back by itself, and the exit code says why. With --waves it goes
    through all regions, wave after wave, a share of the answers at a time; the same command goes on where it was
    killed.
    """
    if not service or not tag:
        raise SpecError("which service, and which version?", todo="make release SERVICE=hello TAG=v2")
    if traffic is not None:
        from du_infra.cli.release.through import start

        start(traffic, service, tag, wish, output, yes=yes)
        return
    assert region is not None
    plan = region.plan_release(service, tag, **wish)
    carry_out(plan, f"Release {service} {tag}?", region, output, yes=yes)
