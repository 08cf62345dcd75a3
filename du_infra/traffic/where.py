"""Where a DNS server is, as it is written."""

from __future__ import annotations

from du_infra.errors import SpecError

DNS_PORT = 53


def joined(host: str, port: int) -> str:
    """The two as one: "192.0.2.1:53", "[2001:db8::1]:53"."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split(where: str) -> tuple[str, int]:
    """Host and port of "192.0.2.1", "192.0.2.1:5353", "2001:db8::1", "[2001:db8::1]:5353" or "ns1.example.com".

    Raises SpecError.
    """
    host, port = where, ""
    if where.startswith("["):
        host, _, port = where[1:].partition("]")
    elif where.count(":") == 1:
        host, _, port = where.partition(":")
    port = port.removeprefix(":") or str(DNS_PORT)
    if not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SpecError("this is no address of a DNS server", where=where)
    return host, int(port)
