"""Stage "boot": nodes answer over SSH, each with the host key that its provider vouches for."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from du_infra.control.context import RegionContext
from du_infra.engines import ssh
from du_infra.errors import EngineFailed, NotReady
from du_infra.parallel import each
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter

STAGE = "boot"

_SSH_PORT = 22
_FIRST_BOOT_SECONDS = 300
_CLOUD_INIT_RESULT = "/run/cloud-init/result.json"
_POLL_SECONDS = 0.2


def join_nodes(context: RegionContext, record: PoolRecord, report: Reporter) -> PoolRecord:
    """Wait until every node answers and, on its first boot, has finished it; then its name is spent.

    Nodes on their way out, and those that are known to be dead, are not waited for.

    Raises NotReady for a node that does not come up (and marks one that never has: see control.late), Refused for one
    with another host key than the pinned.
    """
    pinned, awaited = _pinned(context), context.living(record.staying)
    _wait_for_ssh(context, record, awaited)
    # A machine that never joined may have been deleted and made again under its name, with another key.
    fresh = [node for node in awaited if not node.joined or node.name not in pinned]
    keys = each(lambda node: context.provider.host_key(node.name), fresh)
    _pin(context, pinned | {node.name: key for node, key in zip(fresh, keys, strict=True)})
    each(lambda node: _first_boot(context, node, report), [n for n in awaited if not n.joined])
    nodes = tuple(replace(node, joined=True) if node in awaited else node for node in record.nodes)
    joined = replace(record, nodes=nodes)
    if joined != record:
        context.store.save_pool(context.name, joined)
    return joined


def _pinned(context: RegionContext) -> dict[str, str]:
    if not context.known_hosts.exists():
        return {}
    lines = context.known_hosts.read_text(encoding="utf-8").splitlines()
    return {name: key for name, _, key in (line.partition(" ") for line in lines)}


def unpin(context: RegionContext, names: Collection[str]) -> None:
    """Forget the host keys of nodes that are gone."""
    _pin(context, {name: key for name, key in _pinned(context).items() if name not in names})


def _pin(context: RegionContext, keys: dict[str, str]) -> None:
    """Write known_hosts anew, through a temporary file: a kill leaves the old one whole."""
    text = "".join(f"{name} {key.strip()}\n" for name, key in sorted(keys.items()))
    if context.known_hosts.exists() and context.known_hosts.read_text(encoding="utf-8") == text:
        return
    context.known_hosts.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    writing = context.known_hosts.with_suffix(".new")
    writing.write_text(text, encoding="utf-8")
    writing.replace(context.known_hosts)


def _wait_for_ssh(context: RegionContext, record: PoolRecord, nodes: Sequence[Node]) -> None:
    """Until each sshd greets; a TCP connection alone can be the work of something in between."""
    seconds = context.spec.pool.boot_timeout.seconds
    deadline = time.monotonic() + seconds
    came = each(lambda node: _greets_by(node.address, deadline), nodes)
    silent = [node for node, greeted in zip(nodes, came, strict=True) if not greeted]
    if not silent:
        return
    todo = "look at the machine's console; run the same command again to go on waiting"
    if strangers := {node.name for node in silent if not node.joined}:
        late = tuple(replace(node, state="replaced") if node.name in strangers else node for node in record.nodes)
        context.store.save_pool(context.name, replace(record, nodes=late))
        todo = (
            "look at the machine's console, and at pool.boot_timeout in fleet.yaml; `du-infra region up "
            f"{context.name}` goes on with it if it answers by then, and makes another in its place if not"
        )
    where = ", ".join(f"{node.name} ({node.address})" for node in silent)
    raise NotReady(f"no SSH within {seconds:g} s", where=where, todo=todo)


def _greets_by(address: str, deadline: float) -> bool:
    while not greets(address):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def greets(address: str) -> bool:
    """Whether an SSH server answers at ``address``."""
    try:
        with socket.create_connection((address, _SSH_PORT), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _first_boot(context: RegionContext, node: Node, report: Reporter) -> None:
    """Wait for cloud-init, which may still be at work with the package manager.

    Its last act is to write result.json (cloud-init's documentation, "boot stages"); looking for a file costs
    a small node less than asking cloud-init, which is a large Python program.
    """
    report(Event("step", STAGE, "first boot", node=node.name))
    deadline = time.monotonic() + _FIRST_BOOT_SECONDS
    while (done := ssh.run(context.target(node), ["cat", _CLOUD_INIT_RESULT])).rc != 0:
        if time.monotonic() > deadline:
            todo = "look at /var/log/cloud-init.log there, then run the same command again"
            raise NotReady(f"the first boot has not ended after {_FIRST_BOOT_SECONDS} s", where=node.name, todo=todo)
        time.sleep(_POLL_SECONDS)
    if errors := first_boot_errors(done.stdout):
        todo = "look at /var/log/cloud-init.log there"
        raise EngineFailed("cloud-init failed on this node", where=node.name, todo=todo, detail="\n".join(errors))


def first_boot_errors(result: str) -> list[str]:
    """The errors in cloud-init's result.json: {"v1": {"errors": [str]}}."""
    return [str(error) for error in json.loads(result)["v1"]["errors"]]
