"""``terraform fmt -check`` and ``validate`` for every module and example, with whatever Terraform there is."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from du_infra.engines.terraform import find_binary
from du_infra.engines.terraform.mirror import cli_config

_ROOT = Path(__file__).parent.parent


def main() -> int:
    """The exit code: 0 when everything is well formed and valid."""
    terraform = find_binary()
    binary = str(terraform.path)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "cli.tfrc"
        config.write_text(cli_config(terraform.flavor), encoding="utf-8")
        environment = {**os.environ, "TF_CLI_CONFIG_FILE": str(config), "CHECKPOINT_DISABLE": "1"}
        formed = subprocess.run([binary, "fmt", "-check", "-recursive", "-diff", "modules"], cwd=_ROOT, env=environment)
        codes = [formed.returncode]
        copy = Path(folder) / "modules"
        shutil.copytree(_ROOT / "modules", copy, ignore=shutil.ignore_patterns(".terraform*"))
        for place in sorted({file.parent for file in copy.rglob("*.tf")}):
            codes.append(_validate(binary, place, environment))
    return max(codes)


def _validate(binary: str, place: Path, environment: dict[str, str]) -> int:
    for command in (["init", "-backend=false", "-input=false", "-no-color"], ["validate", "-no-color"]):
        done = subprocess.run([binary, *command], cwd=place, env=environment, capture_output=True, text=True)
        if done.returncode:
            print(f"{place.name}: {done.stdout}{done.stderr}", file=sys.stderr)
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
