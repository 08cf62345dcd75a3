"""docs/releases.md says of every setting of a release what it is for."""

from __future__ import annotations

import re
from pathlib import Path

from du_infra.spec import ReleaseSpec
from du_infra.spec.base import keys_of

MANUAL = (Path(__file__).parents[3] / "docs" / "releases.md").read_text()


def test_the_manual_explains_every_setting() -> None:
    part = MANUAL.partition("## The settings\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", part, flags=re.M)) == set(keys_of(ReleaseSpec))
    for name in ("start_timeout", "stop_grace", "before", "before_timeout"):
        assert f"`{name}`" in part
