"""A scale's word ends when fleet.yaml says something new, and does not come back with what fleet.yaml said before."""

from __future__ import annotations

from pathlib import Path

import pytest

from du_infra.control import up
from du_infra.control.context import RegionContext
from du_infra.control.scale import set_wish
from du_infra.errors import Refused
from du_infra.progress import silent
from du_infra.spec.load import check_text


class Looked(Exception):
    """Far enough."""


def test_a_scale_that_fleet_yaml_has_overruled_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*given: object) -> None:
        raise Looked

    def after(nodes: int) -> int:
        """How many nodes there are to be, where fleet.yaml says this many and the region is brought up."""
        context = asking_for(nodes)
        with pytest.raises(Looked):
            up.bring_up(context, silent)
        return context.wish.nodes

    def asking_for(nodes: int) -> RegionContext:
        spec, complaints = check_text(f"fleet: demo\nregions: {{home: {{provider: lxd, pool: {{nodes: {nodes}}}}}}}\n")
        assert spec, complaints
        return RegionContext(spec, "home", tmp_path)

    monkeypatch.setattr(up, "_run", stop)
    context = asking_for(3)
    context.state.mkdir()
    set_wish(context, 5)
    assert after(3) == 5
    assert after(4) == 4
    assert after(3) == 3


def test_up_refuses_to_destroy_what_it_may_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    brought: list[str] = []
    monkeypatch.setattr(up, "leaving", lambda context: ["demo-home-2"])
    monkeypatch.setattr(up, "bring_up", lambda context, report, **more: brought.append(context.name))
    spec, complaints = check_text("fleet: demo\nregions: {home: {provider: lxd}}\n")
    assert spec, complaints
    context = RegionContext(spec, "home", tmp_path)
    with pytest.raises(Refused, match="demo-home-2: would be drained and destroyed"):
        up.region_up(context, silent, may_destroy=False)
    assert brought == []
    up.region_up(context, silent)
    assert brought == ["home"]
