"""What /proc/net/tcp says: ports that are listened on, connections that are open."""

from __future__ import annotations

from collections.abc import Iterator

_LISTEN, _ESTABLISHED = "0A", "01"
_LOOPBACK = "0100007F"
_FILES = ("/proc/net/tcp", "/proc/net/tcp6")


def listening(first: int, last: int) -> frozenset[int]:
    """Ports from ``first`` to ``last`` that some process listens on."""
    found = (_port(local) for local, _, state, _ in _rows(_FILES) if state == _LISTEN)
    return frozenset(port for port in found if first <= port <= last)


def to_slot(port: int) -> int:
    """Open connections to 127.0.0.1:``port``, counted on the side of who connected."""
    remote = f"{_LOOPBACK}:{port:04X}"
    return sum(state == _ESTABLISHED and there == remote for _, there, state, _ in _rows(_FILES[:1]))


def established() -> dict[str, tuple[int, int]]:
    """Inode → (local port, port on this node's loopback that it is connected to, or 0) of every open connection."""
    return {
        inode: (_port(local), _port(there) if there.startswith(_LOOPBACK) else 0)
        for local, there, state, inode in _rows(_FILES)
        if state == _ESTABLISHED
    }


def _rows(names: tuple[str, ...]) -> Iterator[tuple[str, str, str, str]]:
    """(local address, remote address, state, inode); addresses in hex, as proc(5) describes them."""
    for name in names:
        try:
            with open(name, encoding="ascii") as file:  # noqa: PTH123 - serve has no pathlib in memory
                next(file, "")
                for line in file:
                    words = line.split()
                    yield words[1], words[2], words[3], words[9]
        except OSError:
            continue


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)
