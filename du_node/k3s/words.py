"""What K3s's journal means, in words. K3s tries for ever, whatever the reason; some reasons do not go away.

Source: the messages are those of K3s 1.34 (pkg/clientaccess, pkg/agent/config, pkg/cluster).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from du_node.errors import NodeError

_LOGIN = re.compile(r"(?<=://)[^\s\"]*@")
_TOKEN = re.compile(r"K10[0-9a-f]{16,}::\S+?(?=[\s\"\\]|$)")
_MESSAGE = re.compile(r'level=(\w+) .*?msg="((?:[^"\\]|\\.)*)"')

_REFUSALS = (
    (
        "Node password rejected",
        "another machine has joined this cluster by this node's name, and K3s keeps a password for each name",
        "`du-infra node replace` gives it a successor with a new name",
    ),
    (
        "token CA hash does not match",
        "the token is of another cluster",
        "run `du-infra region up`: it makes a new token",
    ),
    ("invalid token", "the token is malformed", "run `du-infra region up`: it makes a new token"),
    (
        "401 Unauthorized",
        "the cluster does not accept the token",
        "run `du-infra region up`: it makes a new token",
    ),
    (
        "encrypted with different token",
        "the data on this disk, or in the external datastore, is of a cluster with another token",
        "name an empty database, bring back that token, or give the node a successor with `du-infra node replace`",
    ),
)
_TROUBLES = (
    (
        ("password authentication failed", "Access denied for user", "no pg_hba.conf entry"),
        "the datastore does not let K3s in: see user and password in its address",
    ),
    (("ping database connection", "create driver for"), "the datastore cannot be used"),
    (("no route to host", "network is unreachable"), "there is no way to the server"),
    (("connection refused",), "nothing answers at the server's port 6443"),
    (("i/o timeout", "deadline exceeded", "Client.Timeout"), "the server does not answer in time"),
)


def refusal(lines: Iterable[str]) -> NodeError | None:
    """The error for what will not go away by itself; None when nothing of the kind was said.

    It has to be said twice: a server that has just been told of a token may not know it at once.
    """
    told = list(lines)
    for sign, what, todo in _REFUSALS:
        said = [line for line in told if sign in line]
        if len(said) > 1:
            return NodeError("refused", f"K3s cannot join: {what}", todo=todo, detail=plain(said[-1]))
    return None


def trouble(lines: Iterable[str]) -> str:
    """Why it is not there yet, as far as the journal tells; "" when it tells nothing."""
    told = [line for line in lines if line.strip()]
    for line in reversed(told):
        for signs, words in _TROUBLES:
            if any(sign in line for sign in signs):
                return words
    complaints = [line for line in told if "level=error" in line or "level=fatal" in line]
    return plain((complaints or told)[-1]) if told else ""


def plain(line: str) -> str:
    """The line's own message, without any token or password that it may show."""
    found = _MESSAGE.search(line)
    return _LOGIN.sub("", _TOKEN.sub("(a token)", found.group(2) if found else line))[:300]
