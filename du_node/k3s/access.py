"""du-node's own credentials for its cluster: what its service account may do, and nothing else."""

from __future__ import annotations

import ipaddress
import json
import time
from typing import Any

from du_node import files, places
from du_node.errors import NodeError
from du_node.fields import get
from du_node.k3s import files as k3s

_API_PORT = 6443
_PORTS = {"server": _API_PORT, "agent": 6444}
"""On this machine: the API server itself, or the agent's own balancer in front of all servers."""

_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
_POLL_SECONDS = 0.5


def keep(told: dict[str, Any]) -> bool:
    """Keep {"ca": PEM, "token", "others"} beside the address of the API as this node reaches it; whether they are new.

    "others": the addresses of the cluster's servers, which are asked while this node's own way does not answer. They
    are tried first, by that way: whoever keeps them works with them. Raises NodeError bad-wanted, refused when K3s is
    not set up here or the API does not accept them, not-ready when it does not answer.
    """
    role = k3s.role()
    if not role:
        raise NodeError("refused", "K3s is not set up on this node", todo="run `du-infra region up`")
    ca, token = get(told, "ca", str, "the order"), get(told, "token", str, "the order")
    if "BEGIN CERTIFICATE" not in ca or not token.isascii() or not token.isprintable() or not token:
        raise NodeError("bad-wanted", "the order: ca or token is malformed")
    others = [f"https://{address}:{_API_PORT}" for address in _addresses(told)]
    server = f"https://127.0.0.1:{_PORTS[role]}"
    _try(server, ca, token)
    text = json.dumps({"server": server, "others": others, "ca": ca, "token": token}) + "\n"
    if files.read(places.KUBE) == text:
        return False
    files.write(places.KUBE, text)
    return True


def _addresses(told: dict[str, Any]) -> list[str]:
    found = get(told, "others", list, "the order", [])
    try:
        return [str(ipaddress.IPv4Address(one)) for one in found]
    except ValueError as wrong:
        raise NodeError("bad-wanted", f"the order: others: {wrong}") from wrong


def _try(server: str, ca: str, token: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            status = _get(server, ca, token)
        except OSError as trouble:
            if time.monotonic() > deadline:
                raise NodeError("not-ready", f"the cluster's API does not answer at {server}: {trouble}") from trouble
        else:
            if status == 200:
                return
            if status not in (401, 403) or time.monotonic() > deadline:
                raise NodeError("refused", f"the cluster's API answers {status} to du-node's credentials")
        time.sleep(_POLL_SECONDS)


def _get(server: str, ca: str, token: str) -> int:
    import ssl

    from du_node.runtime.k3s.api import Api

    try:
        api = Api([server], ca, token, _ANSWER_SECONDS)
    except ssl.SSLError as broken:
        raise NodeError("bad-wanted", "the order: ca is malformed") from broken
    return api.status()
