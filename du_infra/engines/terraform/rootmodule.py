"""Writes the root module of a region: fixed text around one of du-infra's modules, with all data beside it.

Only names of variables and of the module reach the template, and both are checked; values go into
``region.auto.tfvars.json``, which Terraform reads as JSON.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from importlib.resources import files
from pathlib import Path

from du_infra.engines.private import write_private_if_new


@dataclass(frozen=True)
class ProviderPlugin:
    """A Terraform provider: where it comes from, the version we were tested with, and its settings."""

    name: str
    source: str
    version: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Hooks:
    """What a Terraform that is not run by du-infra needs to have nodes join and leave: inputs of modules/pool-hooks.

    A node's name is ``stem``, "-" and a number; ``counter`` is the highest that was ever given out, ``known`` the names
    that stand. ``python`` is the Python that du-infra is installed for, ``fleet`` the fleet file's path from there.
    """

    stem: str
    counter: int
    known: Sequence[str]
    python: str
    fleet: str


# refresh_interval is how long the LXD provider waits before it looks whether a machine is up; with its
# default of 10 s a node takes 12 s, with 1 s it takes 1.5 s. config_dir would be the user's own, whose
# `lxc remote switch` sends us to another machine; in a folder that is not there the daemon of LXD_SOCKET is meant.
_LXD = {"refresh_interval": "1s", "config_dir": "no-lxc-config"}
PROVIDERS = {"lxd": ProviderPlugin("lxd", "terraform-lxd/lxd", "1.5.0", _LXD)}

VARIABLES_FILE = "region.auto.tfvars.json"
HOOKS_MODULE = "pool-hooks"
_NAME = re.compile(r"[a-z][a-z0-9_]*")


def write_root(
    folder: Path, modules: Path, module: str, variables: Mapping[str, object], hooks: Hooks | None = None
) -> None:
    """Write ``main.tf``, the values and a copy of the module into the folder (mode 0700).

    ``module`` is the module's path below ``modules`` ("region-pool/lxd"); with ``hooks``, which need the variables
    "region" and "nodes", modules/pool-hooks stands beside it. Files that would not change are not touched. Raises
    ValueError for names that are no Terraform names, which is a mistake of the caller.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    _copy_module(modules / module, folder / "modules" / module)
    if hooks:
        _copy_module(modules / HOOKS_MODULE, folder / "modules" / HOOKS_MODULE)
    write_private_if_new(folder / "main.tf", render(module, variables, hooks=bool(hooks)))
    write_variables(folder, {**variables, "hooks": asdict(hooks)} if hooks else variables)


def write_variables(folder: Path, variables: Mapping[str, object]) -> None:
    """Write the values of the root module's inputs."""
    write_private_if_new(folder / VARIABLES_FILE, json.dumps(variables, indent=2, sort_keys=True) + "\n")


def change_variables(folder: Path, changes: Mapping[str, object]) -> None:
    """Write some values of the root module's inputs anew; what a person wrote of the others stays."""
    variables = json.loads((folder / VARIABLES_FILE).read_text(encoding="utf-8"))
    write_variables(folder, {**variables, **changes})


def render(module: str, variables: Mapping[str, object], *, hooks: bool = False) -> str:
    """The text of ``main.tf``."""
    from jinja2 import Environment, StrictUndefined

    for name in variables:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a Terraform variable: {name!r}")
    if not re.fullmatch(r"[a-z0-9-]+(/[a-z0-9-]+)*", module):
        raise ValueError(f"not a module: {module!r}")
    source = files("du_infra.engines.terraform").joinpath("root.tf.j2").read_text(encoding="utf-8")
    # Terraform's language is not HTML, and no value of a user's reaches the template: nothing to escape
    engine = Environment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)  # noqa: S701
    template = engine.from_string(source)
    provider = PROVIDERS.get(module.rpartition("/")[2])
    names = [one.name for one in fields(Hooks)] if hooks else []
    return template.render(module=module, variables=sorted(variables), provider=provider, hooks=names)


def _copy_module(source: Path, target: Path) -> None:
    """Copy the module's own files: an installed module may be read-only, and must not change during a run."""
    wanted = {file.name: file.read_text(encoding="utf-8") for file in sorted(source.glob("*.tf"))}
    if not wanted:
        raise ValueError(f"no Terraform module in {source}")
    if target.is_dir() and {file.name for file in target.iterdir()} != set(wanted):
        shutil.rmtree(target)
    target.mkdir(parents=True, exist_ok=True)
    for name, text in wanted.items():
        write_private_if_new(target / name, text)
