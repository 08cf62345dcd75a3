"""What `make release` and `make region-scale` type, by make's own word."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def typed(*arguments: str) -> str:
    """The commands that make would run, on one line with single spaces."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}  # `make test` runs us
    done = subprocess.run(["make", "-n", *arguments], cwd=ROOT, capture_output=True, text=True, check=True, env=clean)
    return " ".join(done.stdout.replace("\\\n", " ").split())


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (
            ("release", "SERVICE=hello", "TAG=v2"),
            'release start "hello" "v2" --region home --fleet fleet.yaml',
        ),
        (
            ("release", "SERVICE=hello", "TAG=v2", "OBSERVE=5s", "CANARY=5,25", "BATCH=2", "HOLD=1", "YES=1"),
            'release start "hello" "v2" --region home --fleet fleet.yaml --yes '
            "--observe 5s --canary 5,25 --batch 2 --hold",
        ),
        (("region-scale", "REGION=fsn", "NODES=3"), 'region scale fsn "3" --fleet fleet.yaml'),
    ],
)
def test_make_says_it_as_a_person_would(arguments: tuple[str, ...], command: str) -> None:
    assert typed(*arguments).endswith(command)
