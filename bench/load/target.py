"""Whom the load client may ask: this machine, and nodes of the local cloud. Nobody else."""

from __future__ import annotations

import argparse
import ipaddress
from dataclasses import dataclass

_OURS = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv4Network("198.18.0.0/15"))


@dataclass(frozen=True)
class Target:
    """An address, a port, and the Host header to send."""

    address: str
    port: int = 80
    host: str = ""

    @property
    def authority(self) -> str:
        """What stands in the Host header (HTTP/2: ``:authority``)."""
        return self.host or (self.address if self.port == 80 else f"{self.address}:{self.port}")


def target(text: str) -> Target:
    """``address[:port]`` as a Target. Raises argparse.ArgumentTypeError for any address that is not ours."""
    address, _, port = text.partition(":")
    try:
        parsed = ipaddress.IPv4Address(address)
        number = int(port or 80)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 address with a port") from error
    if not any(parsed in network for network in _OURS):
        raise argparse.ArgumentTypeError(f"load goes to {' and '.join(map(str, _OURS))} only, not to {address}")
    return Target(address, number)
