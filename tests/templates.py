"""The roles' templates, made without Ansible."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import jinja2
import yaml

from du_infra.assets import asset


def rendered(role: str, template: str, **variables: object) -> str:
    """A role's template with the role's defaults."""
    folder = asset("playbooks") / "roles" / role
    defaults = yaml.safe_load((folder / "defaults" / "main.yml").read_text()) if (folder / "defaults").exists() else {}
    loader = jinja2.FileSystemLoader(folder / "templates")
    # as Ansible has them
    environment = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, autoescape=False, trim_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= _filters()
    return environment.get_template(template).render(**{**defaults, **variables})


def _filters() -> dict[str, Callable[..., Any]]:
    """Our own."""
    found = importlib.util.spec_from_file_location("du", asset("playbooks") / "filter_plugins" / "du.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    filters: dict[str, Callable[..., Any]] = module.FilterModule().filters()
    return filters
