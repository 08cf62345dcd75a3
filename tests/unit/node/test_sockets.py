"""Which end of a connection is which, by what /proc/net/tcp says."""

from __future__ import annotations

from pathlib import Path

import pytest

from du_node import sockets

# local address, remote address, state, inode
ROWS = [
    ("0A00000A:0050", "0500000A:C350", "01", "1"),  # a client at port 80
    ("0100007F:9C40", "0100007F:4E20", "01", "2"),  # to the slot at 20000
    ("0A00000A:9C41", "0200000A:1F92", "01", "3"),  # to a peer
    ("0A00000A:1F92", "0200000A:9C42", "01", "4"),  # from a peer
    ("0A00000A:0050", "0500000A:1F92", "01", "5"),  # a client whose own port happens to be 8082
    ("0A00000A:0050", "0500000A:C351", "06", "6"),  # has ended
]


def test_slots_and_peers_are_told_from_clients(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    lines = [f"0: {local} {there} {state} 0 0 0 0 0 {inode}\n" for local, there, state, inode in ROWS]
    (tmp_path / "tcp").write_text("head\n" + "".join(lines))
    monkeypatch.setattr(sockets, "_FILES", (str(tmp_path / "tcp"),))
    assert sockets.established() == {
        "1": (80, 0),
        "2": (40000, 20000),
        "3": (40001, 8082),
        "4": (8082, 0),
        "5": (80, 0),
    }
    assert sockets.to_slot(20000) == 1
