"""What the verbs of ``du-infra node`` share: which region, their options, and how they end."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from du_infra.cli.options import echo_json, fleet_option

if TYPE_CHECKING:
    from du_infra.control.node.desk import NodeResult
    from du_infra.fleet import Region

F = TypeVar("F", bound=Callable[..., Any])


def node_argument(function: F) -> F:
    """``NODE`` and ``--fleet FILE``, given to the verb as ``region`` and ``node``."""

    @functools.wraps(function)
    def verb(*args: Any, node: str, fleet_file: Path, **options: Any) -> Any:
        from du_infra.fleet import load

        return function(*args, region=load(fleet_file).region_of_node(node), node=node, **options)

    return cast(F, fleet_option(click.argument("node")(verb)))


def cut_after_option(function: F) -> F:
    """``--cut-after SECONDS``: how long connections may take to end."""
    return click.option(
        "--cut-after",
        type=click.FloatRange(min=0, max=3600),
        metavar="SECONDS",
        help="How long connections may take to end; as the services' settings say if not given.",
    )(function)


def force_option(words: str) -> Callable[[F], F]:
    """``--force``, with what it forces."""
    return click.option("--force", is_flag=True, help=words)


def show_result(result: NodeResult, output: str) -> None:
    """Print how a verb ended."""
    if output == "json":
        echo_json(result.to_json())
        return
    cut = f"; {result.cut} connection(s) were cut" if result.cut else ""
    click.secho(f"{result.node}: {result.done}{cut}. Region {result.region}: {', '.join(result.nodes)}", fg="green")


def cost_of(region: Region, node: str) -> str:
    """What it costs that ``node`` is away for a while, for the question."""
    others = [one.name for one in region.nodes() if one.name != node and one.ready and not one.draining]
    return f"{', '.join(others)} take(s) its requests meanwhile" if others else "Nobody answers meanwhile"
