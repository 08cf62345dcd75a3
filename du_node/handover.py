"""The region's address on its way from one node to another, without a connection that is cut.

TCP connections stay with the node that took them. A node that gives the address up keeps it on its loopback, answers no
ARP for it there, and goes on with the connections that it has. The node that takes the address sends there what belongs
to no connection of its own: nftables' ``dup to`` and a drop, for packets that open nothing, have no socket here and are
known to no connection here (nft(8): dup, socket, ct; ip-sysctl: arp_ignore, arp_announce).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from du_node import files, places, settings
from du_node.command import run
from du_node.errors import NodeError

_TABLE = {"family": "ip", "name": "du_handover"}
_CHAIN = {"family": "ip", "table": "du_handover", "name": "moved"}
_PORTS = [80, 443]
_MANGLE = -150

Json = dict[str, Any]


def holds_vip() -> bool:
    """Whether this node holds the region's address, for everybody on its network."""
    return bool(settings.vip()) and settings.vip() in _addresses(settings.interface())


def keep() -> None:
    """Have what is connected to the region's address stay here when it goes. Raises NodeError tool."""
    for name, value in (("arp_ignore", "1"), ("arp_announce", "2")):
        try:
            Path(f"/proc/sys/net/ipv4/conf/{settings.interface()}/{name}").write_text(value)
        except OSError as trouble:
            raise NodeError("tool", f"{name} cannot be set: {trouble.strerror}") from trouble
    if settings.vip() not in _addresses("lo"):
        _must("ip", "address", "add", f"{settings.vip()}/32", "dev", "lo")


def end() -> None:
    """Nothing is connected any more, or it may be cut. Raises NodeError tool."""
    if settings.vip() and settings.vip() in _addresses("lo"):
        _must("ip", "address", "del", f"{settings.vip()}/32", "dev", "lo")


def follow(old: str) -> None:
    """From now on ``old`` (the address of a peer, empty for none) gets what belongs to its connections.

    Raises NodeError tool.
    """
    if files.read_json(places.HANDOVER).get("from", "") == old:
        return
    commands: list[Json] = [{"add": {"table": _TABLE}}, {"delete": {"table": _TABLE}}]
    if old:
        commands += [{"add": {"table": _TABLE}}, *_rules(settings.vip(), old, settings.interface())]
    text = {"from": old, "nftables": commands}
    candidate = f"{places.HANDOVER}.nft"
    files.write(candidate, json.dumps({"nftables": commands}))
    before = files.read(places.HANDOVER) or "{}"
    files.write(places.HANDOVER, json.dumps({"from": places.UNSURE}))  # for whoever comes after us if we are killed now
    try:
        _must("nft", "-j", "-f", candidate)
    except NodeError:
        files.write(places.HANDOVER, before)  # it changes all or nothing
        raise
    files.write(places.HANDOVER, json.dumps(text))


def _rules(vip: str, old: str, interface: str) -> list[Json]:
    ours = [_is({"payload": {"protocol": "ip", "field": "daddr"}}, vip)]
    ours.append(_is({"payload": {"protocol": "tcp", "field": "dport"}}, {"set": _PORTS}))
    opens_nothing = _is({"&": [{"payload": {"protocol": "tcp", "field": "flags"}}, "syn"]}, 0)
    known = {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": ["established", "related"]}}
    # A listening socket is bound to every address (wildcard 1), that of a connection to one.
    connected = _is({"socket": {"key": "wildcard"}}, 0)
    send: list[Json] = [{"dup": {"addr": old, "dev": interface}}, {"drop": None}]
    hook = {"type": "filter", "hook": "prerouting", "prio": _MANGLE, "policy": "accept"}
    return [
        {"add": {"chain": {**_CHAIN, **hook}}},
        _rule(*ours, known, {"accept": None}),
        _rule(*ours, opens_nothing, connected, {"accept": None}),
        _rule(*ours, opens_nothing, *send),
    ]


def _rule(*parts: Json) -> Json:
    return {"add": {"rule": {"family": "ip", "table": _CHAIN["table"], "chain": _CHAIN["name"], "expr": list(parts)}}}


def _is(left: Json, right: object) -> Json:
    return {"match": {"op": "==", "left": left, "right": right}}


def _addresses(interface: str) -> set[str]:
    done = run(["ip", "-j", "address", "show", "dev", interface])
    try:
        found: list[Json] = json.loads(done.out or "[]")
    except ValueError:
        return set()
    return {item["local"] for link in found for item in link.get("addr_info", ()) if "local" in item}


def _must(*argv: str) -> None:
    done = run(argv)
    if done.code:
        raise NodeError("tool", f"`{' '.join(argv[:3])}` failed", detail=done.err.strip()[-500:])
