"""The servers' token of a cluster on an external datastore: kept here, because without it nobody can read the data.

K3s encrypts the cluster's authorities in the datastore with it, so when every server is lost a new one needs it. With
it one has all rights in the cluster: it is in a file for its owner alone, and goes to servers by SSH's standard input.
Source: docs.k3s.io, "k3s token", on the server token.
"""

from __future__ import annotations

import secrets
from pathlib import Path

from du_infra.control.cluster.nodes import Nodes
from du_infra.control.context import RegionContext
from du_infra.engines.private import write_private
from du_infra.errors import DuError, Refused
from du_infra.pool.state import Node

SERVER_TOKEN = "/var/lib/rancher/k3s/server/token"  # noqa: S105 - a path
"""Where a server has it."""

_BYTES = 24


def path_of(context: RegionContext) -> Path:
    """Where the token of the region's cluster is kept."""
    return context.home / "k3s-token"


def first_token(context: RegionContext) -> str:
    """The token of a cluster that is to be begun: written down before anybody uses it, so that it is made once."""
    return _kept(context) or _keep(context, secrets.token_hex(_BYTES))


def token_of(context: RegionContext, nodes: Nodes, servers: list[Node]) -> str:
    """The token of a cluster that there is: the kept one, or else that of a server, which is kept from then on.

    Raises Refused when it is not kept and no server answers.
    """
    if kept := _kept(context):
        return kept
    for server in servers:
        try:
            return _keep(context, _password(nodes.read(server, SERVER_TOKEN).strip()))
        except DuError:
            continue
    raise Refused(
        "the cluster's token is nowhere: its datastore cannot be read without it",
        where=f"region {context.name}",
        todo=f"bring {path_of(context)} back from a copy; or start one of the servers, which has it",
    )


def _password(token: str) -> str:
    """Of K10<hash>::server:PASSWORD, which also says what cluster a node may trust, the part that a server needs."""
    return token.rpartition("::")[2].removeprefix("server:")


def _kept(context: RegionContext) -> str:
    try:
        return path_of(context).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _keep(context: RegionContext, token: str) -> str:
    """Whole or not at all; the caller holds the region's lock. It is on the disk before it is used."""
    path = path_of(context)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_private(path, token + "\n")
    return token
