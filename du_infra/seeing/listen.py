"""Where the page may be listened for, and who may ask: loopback for anybody there, the world only with a token."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass
from pathlib import Path

from du_infra.errors import Busy, DuError, Refused, SpecError, ToolMissing
from du_infra.release.secrets import read_source
from du_infra.spec.container import SecretSource

_SHORTEST_TOKEN = 16
_BACKLOG = 128
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Address:
    """``host`` is an IP address."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches it."""
        return ipaddress.ip_address(self.host).is_loopback

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address_of(text: str) -> Address:
    """``HOST:PORT`` or ``PORT``; HOST is an IP address or localhost. Raises ValueError, which says what is wrong."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("must be an address such as 127.0.0.1:9464")
    found = {"": _HOST, "localhost": _HOST}.get(host, host)
    try:
        return Address(str(ipaddress.ip_address(found)), int(port))
    except ValueError:
        raise ValueError("must begin with an IP address or localhost") from None


def token_of(file: Path | None) -> str:
    """The token in ``file``, "" without one. Raises SpecError when it is none, Refused when others may read it."""
    if file is None:
        return ""
    token = read_source("--token-file", SecretSource(file=str(file)), Path()).strip()
    if len(token) < _SHORTEST_TOKEN or not token.isascii() or not token.isprintable():
        what = f"the token must be at least {_SHORTEST_TOKEN} letters and digits"
        raise SpecError(what, where=str(file), todo=f"(umask 077; openssl rand -hex 32 > {file})")
    return token


def listening(address: Address, token: str) -> socket.socket:
    """A socket that listens there. Raises Refused for the world without a token, and what is wrong with the address."""
    where = f"--listen {address}"
    if not address.loopback and not token:
        todo = "add --token-file FILE, or listen on 127.0.0.1 and reach it through SSH"
        raise Refused("others than this machine could see the fleet without a token", where=where, todo=todo)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address.host, address.port))
        made.listen(_BACKLOG)
    except OSError as error:
        made.close()
        raise _unusable(error, where) from error
    return made


def bound(made: socket.socket) -> Address:
    """Where it listens: port 0 has become a real one."""
    host, port = made.getsockname()[:2]
    return Address(host, port)


def _unusable(error: OSError, where: str) -> DuError:
    if error.errno == errno.EADDRINUSE:
        return Busy("somebody listens there already", where=where, todo="choose another port")
    if error.errno in (errno.EACCES, errno.EPERM):
        return ToolMissing("this user may not listen there", where=where, todo="choose a port from 1024 on")
    return SpecError(
        f"nobody can listen there: {error.strerror}", where=where, todo="choose an address of this machine"
    )
