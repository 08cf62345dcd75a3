"""A look of long ago says nothing of now, however well passes go."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from du_infra.seeing import words
from du_infra.seeing.api import status_json
from du_infra.seeing.board import Board
from du_infra.seeing.metrics import exposition, registry_of
from du_infra.seeing.view import view
from tests.unit.seeing.bed import region


def seen_ago(seconds: float) -> Board:
    """One region that was ready ``seconds`` ago, and whose passes go on since."""
    made = Board()
    made.minded("demo", {"home": 120.0})
    made.began("home")
    made.saw(replace(region("home"), at=time.monotonic() - seconds))
    return made


def told(made: Board) -> Iterator[str]:
    """What counts the region as ready, or as well."""
    seen = made.snapshot()
    shown = view(seen)
    for tile in shown["tiles"][:2]:
        if tile.tone == "good":
            yield tile.label
    if words.of_region(seen, "home").tone != "bad":
        yield "badge"
    if words.verdict(seen).tone != "bad":
        yield "verdict"
    if json.loads(json.dumps(status_json(seen)))["regions"][0]["ready"]:
        yield "JSON"
    yield from (
        line.split("{")[0]
        for line in exposition(registry_of(made.snapshot)).decode().splitlines()
        if line.startswith(("du_infra_region_ready{", "du_infra_service_ready{")) and line.endswith(" 1.0")
    )


@pytest.mark.parametrize("error", ["", "the provider does not answer"])
def test_nothing_calls_a_region_ready_by_a_look_of_a_day_ago(error: str) -> None:
    made = seen_ago(86400)
    made.ended("home", error)
    assert list(told(made)) == []
    seen = made.snapshot()
    assert seen.stale == []  # the loop itself does well
    assert words.of_region(seen, "home").word == "not seen of late"
    assert words.verdict(seen).word == "1 of 1 region is not ready, or not seen of late"
    assert view(seen)["tiles"][0].number == "0/1"
    assert status_json(seen)["regions"][0]["ready"] is None


def test_a_look_of_a_minute_ago_counts_and_one_of_three_minutes_does_while_something_is_done() -> None:
    made = seen_ago(60)
    made.ended("home", "")
    assert {"badge", "verdict", "JSON", "du_infra_region_ready"} <= {*told(made)}
    made = seen_ago(180)
    made.doing("home", "machines: demo-home-3 is made")
    assert {"badge", "verdict", "JSON", "du_infra_region_ready"} <= {*told(made)}
    made.ended("home", "")
    assert list(told(made)) == []
