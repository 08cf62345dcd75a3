"""What can go wrong on a node, and the exit code that says so.

kind            exit  meaning
bad-wanted         2  the wanted state is malformed; nothing was done
tool               5  nerdctl, containerd or systemd failed
image              5  the image is not in the registry, or is not what its digest says
secret             5  the value of a secret is not on this node
refused            5  the K3s cluster does not take this node, or its credentials
no-room            5  too little disk or memory
gateway            5  the gateway refused or ignored the new configuration; the old one stays
before             5  the command that had to run before the release failed; no traffic moved
not-ready          6  the new slot did not become ready in time; the old one stays routed
observation        6  the new slot got requests and did not do well; the old one has them back
busy               7  another du-node is at work
registry           8  the registry does not answer
"""

from __future__ import annotations

import errno

_FULL = (errno.ENOSPC, errno.EDQUOT)

EXIT_CODES = {
    "bad-wanted": 2,
    "tool": 5,
    "image": 5,
    "secret": 5,
    "refused": 5,
    "no-room": 5,
    "gateway": 5,
    "before": 5,
    "not-ready": 6,
    "observation": 6,
    "busy": 7,
    "registry": 8,
}


class NodeError(Exception):
    """One failure: ``kind`` from the table above, ``what`` happened, ``todo`` next, ``detail`` in a tool's words."""

    def __init__(self, kind: str, what: str, *, todo: str = "", detail: str = "", service: str = "") -> None:
        super().__init__(what)
        self.kind = kind
        self.what = what
        self.todo = todo
        self.detail = detail
        self.service = service

    @property
    def exit_code(self) -> int:
        """What the program exits with."""
        return EXIT_CODES[self.kind]

    def line(self) -> dict[str, object]:
        """The error as one line of du-node's output."""
        return {
            "kind": "error",
            "error": self.kind,
            "service": self.service,
            "text": self.what,
            "todo": self.todo,
            "detail": self.detail,
        }


def of_system(trouble: OSError, what: str = "") -> NodeError:
    """The error for what the kernel refuses: a full disk, one that can only be read, a file that cannot be opened."""
    named = f"{trouble.filename}: {trouble.strerror}" if trouble.filename else str(trouble)
    if trouble.errno in _FULL:
        return NodeError("no-room", what or named, todo="free some disk on the node")
    return NodeError("tool", what or named, todo="see `mount`, `df` and `dmesg` on the node")
