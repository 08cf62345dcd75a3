"""What /readyz answers: is this node fit to take requests, and what would answer them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def answer(
    meta: Mapping[str, Any],
    table: Sequence[Mapping[str, Any]],
    ready: Mapping[str, bool],
    *,
    gateway_ok: bool,
    applied: bool,
    among: Mapping[str, Any],
) -> tuple[int, str]:
    """(status, JSON body). ``meta`` is the wanted state, ``table`` the gateway's, ``ready`` the last probes.

    Ready means: something was applied, the gateway works by its stored table, every wanted service is in it, and every
    routed slot answered its last probe. ``config`` is told only when all of ``meta`` was ``applied``.

    ``among`` is what this node tells the others (Membership.told); it makes the node no less ready.
    """
    routed = {item["service"]: item for item in table}
    missing = [s["name"] for s in meta.get("services", ()) if s["name"] not in routed]
    unready = [name for name in routed if not ready.get(name)]
    fine = bool(meta) and gateway_ok and not missing and not unready
    body = {
        "ready": fine,
        "fleet": meta.get("fleet", ""),
        "region": meta.get("region", ""),
        "node": meta.get("node", ""),
        "config": meta.get("config", "") if applied else "",
        **among,
        "releases": {name: _release(item, bool(ready.get(name))) for name, item in sorted(routed.items())},
    }
    if not fine:
        body["why"] = _why(bool(meta), gateway_ok, missing, unready)
    return (200 if fine else 503), json.dumps(body) + "\n"


def _release(item: Mapping[str, Any], ready: bool) -> dict[str, Any]:
    side = item["primary"]
    return {"release": side["release"], "tag": side["tag"], "slot": side["slot"], "ready": ready}


def _why(applied: bool, gateway_ok: bool, missing: Sequence[str], unready: Sequence[str]) -> str:
    if not applied:
        return "nothing was applied to this node yet"
    if not gateway_ok:
        return "the gateway does not work by its stored configuration"
    parts = [f"not deployed: {', '.join(missing)}"] if missing else []
    parts += [f"not ready: {', '.join(unready)}"] if unready else []
    return "; ".join(parts)
