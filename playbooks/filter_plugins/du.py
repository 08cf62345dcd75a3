"""Three small filters: the content and the hash of a binary file, and whether an address is inside networks."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from pathlib import Path

from ansible.errors import AnsibleFilterError


def read_base64(path: str) -> str:
    """The content of a local file, for a module that takes binary content."""
    return base64.b64encode(_read(path)).decode("ascii")


def file_sha256(path: str) -> str:
    """The SHA-256 of a local file, in hex."""
    return hashlib.sha256(_read(path)).hexdigest()


def inside(address: str, networks: list[str]) -> bool:
    """Whether an IPv4 or IPv6 address lies in one of the networks; an empty address lies nowhere."""
    if not address:
        return False
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    return any((mapped or ip) in ipaddress.ip_network(network, strict=False) for network in networks)


def of_family(networks: list[str], version: int) -> list[str]:
    """The networks of one IP version (4 or 6)."""
    return [network for network in networks if ipaddress.ip_network(network, strict=False).version == version]


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise AnsibleFilterError(f"cannot read {path}: {error.strerror}") from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, object]:
        """Name to function."""
        return {
            "du_base64": read_base64,
            "du_sha256": file_sha256,
            "du_inside": inside,
            "du_family": of_family,
        }
