"""``--hook``: the verb is called by Terraform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def hook_option(function: F) -> F:
    """``--hook``: take turns with other hooks, and write a log beside the region's Terraform folder."""
    text = "For modules/pool-hooks: one after the other, and logged in .du/regions/NAME/hooks.log."
    return click.option("--hook", is_flag=True, help=text)(function)
