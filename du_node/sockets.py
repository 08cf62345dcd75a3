"""What /proc/net/tcp says: ports that are listened on, connections that are open."""

from __future__ import annotations

from collections.abc import Iterator

from du_node.places import PEER_PORT

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


def from_clients(ports: tuple[int, ...]) -> int:
    """Open connections that somebody else has opened to one of these ports of this node."""
    return sum(
        state == _ESTABLISHED and _port(local) in ports and not local.startswith(_LOOPBACK)
        for local, _, state, _ in _rows(_FILES)
    )


def established() -> dict[str, tuple[int, int]]:
    """Inode → (local port, port of the slot or peer that it is connected to, or 0) of every open connection."""
    return {
        inode: (_port(local), _backend(local, there))
        for local, there, state, inode in _rows(_FILES)
        if state == _ESTABLISHED
    }


def _backend(local: str, there: str) -> int:
    """A connection is one to a peer where we have not been called ourselves: our own entrances are all below."""
    port = _port(there)
    return port if there.startswith(_LOOPBACK) or (port == PEER_PORT and _port(local) > PEER_PORT) else 0


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
