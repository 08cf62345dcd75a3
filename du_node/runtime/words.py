"""What a runtime's words mean: which kind of trouble a failed command is."""

from __future__ import annotations

import re

from du_node.command import Done
from du_node.errors import NodeError
from du_node.preflight import machine
from du_node.state import Service

_NO_DAEMON = {
    "docker": ("connect to the docker daemon", "docker.sock"),
    "containerd": ("containerd.sock", "cannot access containerd"),
}


_NO_REGISTRY = (
    "dial tcp",
    "no such host",
    "i/o timeout",
    "connection re",
    "tls handshake",
    "client.timeout",
    "unexpected eof",
)


# As words of their own: a digest may have these digits in it.
_NO_LOGIN = re.compile(r"(?<![0-9a-f])40[13](?![0-9a-f])|unauthorized|authorization failed|denied")


def pull_error(service: Service, words: str) -> NodeError:
    """Which kind of trouble a failed pull is, by containerd's words."""
    low = words.lower()
    registry = service.image.partition("/")[0]
    detail = _tail(words)
    if "no space left" in low or "disk quota" in low:
        return NodeError(
            "no-room",
            f"the disk filled up while pulling {service.name}",
            todo="free some disk on the node",
            detail=detail,
            service=service.name,
        )
    if any(word in low for word in _NO_REGISTRY):
        return NodeError(
            "registry",
            f"registry {registry} does not answer",
            todo=f"see that {registry} runs and that the node reaches it",
            detail=detail,
            service=service.name,
        )
    if "no match for platform" in low or "no matching manifest" in low:
        what = f"{service.name} {service.tag} is not made for this node, which is {machine()}"
        return NodeError(
            "image", what, todo=f"build the image for {machine()} too", detail=detail, service=service.name
        )
    if "not found" in low or "manifest unknown" in low:
        what = f"registry {registry} has no image {service.name} {service.tag} with digest {service.digest[:19]}…"
        return NodeError("image", what, todo="push the image again", detail=detail, service=service.name)
    if _NO_LOGIN.search(low):
        what = f"registry {registry} does not let the node pull {service.name}"
        return NodeError("image", what, todo="give the node a login", detail=detail, service=service.name)
    return NodeError("image", f"{service.name} could not be pulled", detail=detail, service=service.name)


def tool_error(what: str, done: Done, service: str = "") -> NodeError:
    """Which kind of trouble a failed command is."""
    low = done.err.lower()
    if "no space left" in low:
        return NodeError("no-room", f"{what}: the disk is full", detail=_tail(done.err), service=service)
    for daemon, words in _NO_DAEMON.items():
        if any(word in low for word in words):
            todo = f"see `journalctl -u {daemon}` on the node"
            return NodeError("tool", f"{daemon} does not answer", todo=todo, detail=_tail(done.err), service=service)
    return NodeError("tool", what, detail=_tail(done.err), service=service)


def _tail(words: str, lines: int = 5) -> str:
    told = [line for line in words.strip().splitlines() if "level=info" not in line]
    return "\n".join(told[-lines:])[-2000:]
