"""du-node's credentials for the cluster: from the API, through SSH's standard input, onto every node."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Sequence
from functools import partial

from du_infra.control.cluster.nodes import Nodes
from du_infra.errors import DuError, EngineFailed, NotReady
from du_infra.parallel import each
from du_infra.pool.state import Node

NAMESPACE, SECRET = "du-infra", "du-node-token"

_MADE_SECONDS = 120.0
_POLL_SECONDS = 1.0
_KEEP_SECONDS = 60.0


def give_access(nodes: Nodes, server: Node, to: Sequence[Node], servers: Sequence[Node]) -> None:
    """Have du-node on each of these nodes keep the credentials of its service account.

    ``server`` is asked for them; ``servers`` are all of the cluster's, to which du-node turns when its own way to the
    API does not answer.

    Raises NotReady when K3s has not made them in time, and what du-node says when they do not work.
    """
    each(partial(_keep, nodes, made=_made(nodes, server), servers=servers), to)


def _keep(nodes: Nodes, node: Node, *, made: dict[str, str], servers: Sequence[Node]) -> None:
    others = [server.address for server in servers if server.name != node.name]
    nodes.order(node, "access", {**made, "others": others}, _KEEP_SECONDS)


def _made(nodes: Nodes, server: Node) -> dict[str, str]:
    """The token and the authority, once the server's manifests have been applied and the secret has been filled."""
    deadline = time.monotonic() + _MADE_SECONDS
    while True:
        try:
            text = nodes.kubectl(server, ["get", "secret", SECRET, "-n", NAMESPACE, "-o", "json"])
            if found := credentials(text):
                return found
            why: DuError | None = None
        except EngineFailed as error:
            why = error
        if time.monotonic() > deadline:
            raise NotReady(
                f"K3s has not made the secret {SECRET} within {_MADE_SECONDS:g} s",
                where=server.name,
                todo="see the journal of k3s.service there: it applies what is in server/manifests",
                detail=why.detail if why else "",
            )
        time.sleep(_POLL_SECONDS)


def credentials(text: str) -> dict[str, str] | None:
    """{"ca", "token"} from the secret as `kubectl -o json` has it; None while it is not filled."""
    try:
        data = json.loads(text)["data"]
        return {"ca": _plain(data["ca.crt"]), "token": _plain(data["token"])}
    except (ValueError, KeyError, TypeError, binascii.Error):
        return None


def _plain(text: str) -> str:
    return base64.b64decode(text, validate=True).decode()
