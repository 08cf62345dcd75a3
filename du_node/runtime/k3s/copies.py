"""A release's copies are the whole cluster's: whoever has a slot that uses them keeps them there.

Nodes may begin and end at the same moment. So whoever begins to use copies writes its slot first, and then always
writes the Deployment; whoever ends, or asks for fewer, reads the Deployment first, then looks for slots, and changes
the Deployment only if nobody has written it since (``resourceVersion``).

There are as many as are asked for, and never less than slots that use them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from du_node.errors import NodeError
from du_node.runtime.k3s.api import Api, Changed
from du_node.runtime.k3s.names import COPIES, SERVICE, copies_name
from du_node.runtime.k3s.objects import ASKED, STOPPED
from du_node.state import Service

Json: TypeAlias = dict[str, Any]

_USED = "du.used"
_TRIES = 20


def first_count(api: Api, service: Service) -> int:
    """How many copies a new release begins with: as many as are asked for of what runs, within its own bounds."""
    least, most = service.copies
    return min(max(_asked_now(api, service.name), least), most)


def use(api: Api, service: str, key: str, made: Json | None = None) -> bool:
    """Have the copies that a slot of ours has begun to use; ``made`` is their Deployment where there is none yet.
    Whether it was made.

    Raises NodeError tool when there is none, and none is given.
    """
    name = copies_name(service, key)
    for _ in range(_TRIES):
        found = api.get("deployments", name)
        if found is None:
            if made is None:
                raise NodeError("tool", f"the cluster has no copies {name} any more", service=service)
            if api.create("deployments", made):
                return True
            continue
        asked = max(asked_of(found), _asked_now(api, service))
        users, count = _users(api, service, key), found["spec"].get("replicas") or 0
        found["spec"]["replicas"] = max(count, users, asked)
        _note(found, asked)
        try:
            api.replace("deployments", found)
        except Changed:
            continue
        return False
    raise _restless(name)


def ask(api: Api, service: str, count: int) -> bool:
    """Have ``count`` copies of what runs of a service, or one for each slot where those are more; whether that is new.

    Which ones go the cluster decides: those that are not ready first, then those that share their node with another.
    """
    changed = [_ask(api, service, found["metadata"]["name"], count) for found in _all(api, service)]
    return any(changed)


def leave(api: Api, service: str, key: str) -> None:
    """A slot of ours uses the copies no more: the last one turns them off, and with its own end removes them.

    Copies stay as many as they are until then, so that no other node's gateway has one taken away.
    """
    name = copies_name(service, key)
    for _ in range(_TRIES):
        found = api.get("deployments", name)
        if found is None or _users(api, service, key):
            return
        version = found["metadata"]["resourceVersion"]
        try:
            if not _slots(api, service, key):
                api.delete("deployments", name, version)
                api.delete("secrets", name)
            elif found["spec"].get("replicas"):
                found["spec"]["replicas"] = 0
                api.replace("deployments", found)
        except Changed:
            continue
        return
    raise _restless(name)


def asked_of(deployment: Mapping[str, Any]) -> int:
    """How many copies are asked for of a release; 1 where nobody has said."""
    noted = deployment["metadata"].get("annotations") or {}
    return int(noted.get(ASKED) or 1)


def _ask(api: Api, service: str, name: str, count: int) -> bool:
    for _ in range(_TRIES):
        found = api.get("deployments", name)
        users = _users(api, service, found["metadata"]["labels"][COPIES]) if found else 0
        if not found or not users:
            return False
        wish = max(count, users)
        if (asked_of(found), found["spec"].get("replicas")) == (count, wish):
            return False
        found["spec"]["replicas"] = wish
        _note(found, count)
        try:
            api.replace("deployments", found)
        except Changed:
            continue
        return True
    raise _restless(name)


def _note(found: Json, asked: int) -> None:
    noted = found["metadata"].setdefault("annotations", {})
    noted[ASKED] = str(asked)
    noted[_USED] = str(int(noted.get(_USED) or 0) + 1)


def _asked_now(api: Api, service: str) -> int:
    """The most copies that are asked for of any release that runs."""
    return max((asked_of(found) for found in _all(api, service) if found["spec"].get("replicas")), default=1)


def _all(api: Api, service: str) -> list[Json]:
    return api.all("deployments", {SERVICE: service})


def used(slots: Sequence[Json], key: str) -> int:
    """How many of these slots use the copies now."""
    own = [slot["metadata"] for slot in slots if slot["metadata"]["labels"].get(COPIES) == key]
    return sum(told["annotations"].get(STOPPED) != "true" for told in own)


def _users(api: Api, service: str, key: str) -> int:
    return used(_slots(api, service, key), key)


def _slots(api: Api, service: str, key: str) -> list[Json]:
    return api.all("services", {SERVICE: service, COPIES: key})


def _restless(name: str) -> NodeError:
    return NodeError("tool", f"the copies {name} are changed by others all the time", todo="look who else does it")
