"""The metrics are Prometheus' kind of metrics, say what the board says, and are what the dashboard asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from du_infra.seeing.board import Board
from du_infra.seeing.metrics import exposition, registry_of
from du_infra.seeing.state import NODE_STANDINGS
from tests.unit.seeing.bed import board, region

DASHBOARD = Path(__file__).parents[3] / "docs" / "grafana" / "du-infra.json"
LABELS = {"version", "region", "result", "kind", "standing", "service", "state", "vote", "hook"}
_WORD = re.compile(r"\bdu_infra_[a-z0-9_]+")


def families(made: Board) -> dict[str, Metric]:
    text = exposition(registry_of(made.snapshot)).decode()
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(made: Board, name: str, **labels: str) -> float:
    """The one sample of this name and with at least these labels."""
    found = [
        sample.value
        for family in families(made).values()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def queries() -> Iterator[str]:
    told = json.loads(DASHBOARD.read_text())
    for panel in told["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (one["query"]["query"] for one in told["templating"]["list"] if one["type"] == "query")


def test_what_the_board_says_is_what_is_told() -> None:
    made = board()
    assert value(made, "du_infra_region_ready", region="home") == 1
    assert value(made, "du_infra_region_ready", region="fsn") == 0
    assert value(made, "du_infra_region_nodes", region="fsn", standing="dead") == 1
    assert value(made, "du_infra_region_nodes", region="fsn", standing="serving") == 1
    assert value(made, "du_infra_region_nodes_wanted", region="fsn") == 2
    assert value(made, "du_infra_replacements_left", region="fsn") == 2
    assert value(made, "du_infra_release_going_on", region="fsn", service="hello", state="running") == 1
    assert value(made, "du_infra_release_going_on", region="fsn", service="hello", state="held") == 0
    assert value(made, "du_infra_release_last_worked", region="fsn", service="shop") == 0
    assert value(made, "du_infra_release_last_worked", region="home", service="hello") == 1
    assert value(made, "du_infra_autoscale_nodes_wanted", region="home") == 2
    assert value(made, "du_infra_region_cpu_ratio", region="home") == pytest.approx(0.292)
    assert value(made, "du_infra_region_response_p95_seconds", region="home") == pytest.approx(0.038)
    assert value(made, "du_infra_passes_total", region="home", result="done") == 1
    assert value(made, "du_infra_pass_running_seconds", region="fsn") > 0
    assert value(made, "du_infra_leases_held", region="fsn") == 1
    assert value(made, "du_infra_decisions_total", region="fsn", kind="replace") == 1
    assert value(made, "du_infra_traffic_share_ratio", region="nbg") == 0.5
    assert value(made, "du_infra_traffic_votes", region="fsn", vote="dead") == 2
    assert value(made, "du_infra_traffic_votes", region="fsn", vote="silent") == 1
    assert value(made, "du_infra_notifications_total", hook="ops", result="delivered") == 3
    assert value(made, "du_infra_loop_healthy") == 1


def test_every_standing_is_told_so_that_one_that_ends_does_not_stay() -> None:
    found = families(board())["du_infra_region_nodes"]
    assert {sample.labels["standing"] for sample in found.samples} == set(NODE_STANDINGS)


def test_a_region_that_is_minded_no_more_leaves_nothing() -> None:
    made = board()
    made.minded("demo", {"home": 120.0})
    made.traffic(None)
    told = {sample.labels.get("region") for family in families(made).values() for sample in family.samples}
    assert told == {None, "home"}


def test_names_and_labels_follow_the_conventions() -> None:
    for family in families(board()).values():
        if family.name.startswith("process_"):
            continue
        assert re.fullmatch(r"du_infra_[a-z0-9_]+", family.name)
        assert family.documentation.endswith((".", ")", "0 to 1.")) and len(family.documentation) > 10
        assert not family.name.endswith(("_count", "_sum", "_bucket", "_ms", "_percent", "_minutes"))
        assert all(set(sample.labels) <= LABELS for sample in family.samples)
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")
            assert "_ratio" not in sample.name or 0 <= sample.value <= 1


def test_no_label_is_somebodys_words_an_address_or_a_release() -> None:
    text = exposition(registry_of(board().snapshot)).decode()
    for word in ("198.18.", "460abd46", "ann@desk", "dead for", "demo-fsn-2", "machine"):
        assert not [line for line in text.splitlines() if word in line and not line.startswith("#")]


def test_a_board_on_which_nothing_is_yet_can_be_scraped() -> None:
    assert value(Board(), "du_infra_regions_minded") == 0


def test_a_thousand_regions_are_told_and_few_things_of_each() -> None:
    made = Board()
    names = [f"region-{number}" for number in range(1000)]
    made.minded("demo", dict.fromkeys(names, 120.0))
    for name in names:
        made.saw(region(name))
    lines = exposition(registry_of(made.snapshot)).decode().splitlines()
    assert len([line for line in lines if not line.startswith("#")]) < 40_000


def test_the_dashboard_asks_only_for_what_there_is() -> None:
    told = {sample.name for family in families(board()).values() for sample in family.samples}
    asked = {word for query in queries() for word in _WORD.findall(query)}
    assert asked <= told
    assert len(asked) > 20


def test_the_dashboard_asks_only_by_labels_that_its_metrics_have() -> None:
    has: dict[str, set[str]] = {}
    for family in families(board()).values():
        for sample in family.samples:
            has.setdefault(sample.name, set()).update(sample.labels)
    for query in queries():
        for name, inside in re.findall(r"(du_infra_[a-z0-9_]+)\{([^}]*)\}", query):
            assert set(re.findall(r"(\w+)(?:=|!=|=~)\"", inside)) <= has[name], query
        for labels in re.findall(r"by \(([^)]*)\)", query):
            wanted = {label.strip() for label in labels.split(",")}
            assert wanted <= set().union(*(has[name] for name in _WORD.findall(query))), query


def test_the_dashboards_panels_do_not_lie_on_each_other() -> None:
    told = json.loads(DASHBOARD.read_text())
    assert len({panel["id"] for panel in told["panels"]}) == len(told["panels"])
    taken = [
        (x, y)
        for panel in told["panels"]
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(taken) == len(set(taken))
    assert max(x for x, _ in taken) < 24
