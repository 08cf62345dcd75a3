"""What the gateways get on a node without others, to the letter: a change of it reloads every region of one node."""

from __future__ import annotations

from pathlib import Path

import pytest

from du_node.gateway import envoy_clusters, envoy_conf, nginx_conf
from tests.unit.node.golden_tables import TABLES

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_peers_is_written_as_ever(name: str) -> None:
    table = TABLES[name]
    assert nginx_conf.render(table)[0] == (GOLDEN / f"{name}.conf").read_text()
    assert envoy_conf.render(table)[0] == (GOLDEN / f"{name}.routes.json").read_text()
    assert envoy_clusters.render(table)[0] == (GOLDEN / f"{name}.clusters.json").read_text()
