"""The end of a node's first boot is read from what cloud-init leaves."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from du_infra.control import join
from du_infra.control.join import first_boot_errors, greets, join_nodes
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import silent

GOOD = '{"v1": {"datasource": "DataSourceLXD", "errors": []}}'
BAD = '{"v1": {"datasource": null, "errors": ["(\'ssh\', KeyError())"]}}'


def test_a_first_boot_without_errors_is_good() -> None:
    assert first_boot_errors(GOOD) == []


def test_what_went_wrong_in_a_first_boot_is_told() -> None:
    assert first_boot_errors(BAD) == ["('ssh', KeyError())"]


def test_where_nothing_listens_nothing_greets() -> None:
    assert greets("127.255.0.1") is False


def test_a_key_is_pinned_for_good_once_its_node_has_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "_wait_for_ssh", lambda context, record, nodes: None)
    monkeypatch.setattr(join, "_first_boot", lambda context, node, report: None)
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text("demo-home-1 ssh-ed25519 OLD\ndemo-home-2 ssh-ed25519 OLD\n")
    saved: list[PoolRecord] = []
    context = SimpleNamespace(
        living=list,
        name="home",
        known_hosts=known_hosts,
        provider=SimpleNamespace(host_key=lambda name: "ssh-ed25519 NEW"),
        store=SimpleNamespace(save_pool=lambda region, record: saved.append(record)),
    )
    old = Node("demo-home-1", "1c1g", "198.18.1.2", joined=True)
    made_again = Node("demo-home-2", "1c1g", "198.18.1.3")
    join_nodes(context, PoolRecord("198.18.1.1", 2, (old, made_again)), silent)
    assert known_hosts.read_text() == "demo-home-1 ssh-ed25519 OLD\ndemo-home-2 ssh-ed25519 NEW\n"
    assert all(node.joined for node in saved[0].nodes)
