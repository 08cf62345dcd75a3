"""The command ``du-infra``: one file per verb, imported only when it is called."""

from __future__ import annotations

import os
import sys
from typing import ClassVar

import click

from du_infra._version import __version__
from du_infra.cli.failure import asked_for_json, report_failure
from du_infra.cli.lazy import LazyGroup
from du_infra.errors import INTERRUPTED, DuError, SpecError


class _Main(LazyGroup):
    verbs: ClassVar[dict[str, tuple[str, str]]] = {
        "region": ("du_infra.cli.region", "Bring a region up or down, look at it, plan it"),
        "node": ("du_infra.cli.node", "Single machines: list, drain, remove, replace, reboot"),
        "release": ("du_infra.cli.release", "Have a new version go live, watched; go back; look at releases"),
        "traffic": ("du_infra.cli.traffic", "One DNS name for all regions: shares, failover, drains"),
        "autoscale": ("du_infra.cli.autoscale", "Measure a region and say how many nodes it should have, and why"),
        "control": ("du_infra.cli.control", "Mind regions and the way to them; explain what was decided"),
        "gitops": ("du_infra.cli.gitops", "Write services' Kubernetes objects as files for Git"),
        "validate": ("du_infra.cli.validate", "Check fleet.yaml and name every mistake"),
        "schema": ("du_infra.cli.schema", "Print the JSON Schema of fleet.yaml"),
        "doctor": ("du_infra.cli.doctor", "Say what this machine lacks; --fix installs it"),
        "local": ("du_infra.cli.local", "The local cloud: LXD daemon, bridge, image, registry"),
        "sample-images": (
            "du_infra.cli.sample_images",
            "Make the sample images and push them to the local registry",
        ),
    }


@click.group(cls=_Main, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="du-infra")
def cli() -> None:
    """Deployment units: the same services on one small VM, on several, in many regions."""


def main() -> None:
    """Run the command line; the only place where an error becomes text and an exit code."""
    colour = False if os.environ.get("NO_COLOR") else None  # https://no-color.org
    with click.Context(cli, color=colour):
        _run(colour)


def _run(colour: bool | None) -> None:
    as_json = asked_for_json(sys.argv[1:])
    try:
        sys.exit(cli.main(standalone_mode=False, color=colour) or 0)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.ClickException as error:
        if as_json:
            report_failure(SpecError(error.format_message(), todo="see --help of the verb"), as_json=True)
        else:
            error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; run the same command again to go on", err=True)
        sys.exit(INTERRUPTED)
    except DuError as error:
        report_failure(error, as_json=as_json)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("DU_DEBUG"):
            raise
        report_failure(unforeseen(error), as_json=as_json)
        sys.exit(DuError.exit_code)


def unforeseen(error: Exception) -> DuError:
    """An error that no room named: the disk, a right, or a mistake of ours. ``DU_DEBUG=1`` shows where it was."""
    if isinstance(error, OSError):
        where, what = str(error.filename or ""), error.strerror or str(error)
        return DuError(what, where=where, todo="mend that, then run the same command again")
    todo = "run it again with DU_DEBUG=1 and report what it prints; nothing was lost by stopping here"
    return DuError(f"unforeseen: {type(error).__name__}: {error}", todo=todo)
