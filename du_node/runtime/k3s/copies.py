"""A release's copies are the whole cluster's: whoever has a slot that uses them keeps them there.

Nodes may begin and end at the same moment. So whoever begins to use copies writes its slot first, and then always
writes the Deployment; whoever ends reads the Deployment first, then looks for slots, and changes the Deployment only if
nobody has written it since (``resourceVersion``).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from du_node.errors import NodeError
from du_node.runtime.k3s.api import Api, Changed
from du_node.runtime.k3s.names import COPIES, SERVICE, copies_name
from du_node.runtime.k3s.objects import STOPPED

Json: TypeAlias = dict[str, Any]

_USED = "du.used"
_TRIES = 20


def use(api: Api, service: str, key: str, made: Json | None = None) -> None:
    """Have the copies that a slot of ours has begun to use; ``made`` is their Deployment where there is none yet.

    Raises NodeError tool when there is none, and none is given.
    """
    name = copies_name(service, key)
    for _ in range(_TRIES):
        found = api.get("deployments", name)
        if found is None:
            if made is None:
                raise NodeError("tool", f"the cluster has no copies {name} any more", service=service)
            if api.create("deployments", made):
                return None
            continue
        found["spec"]["replicas"] = max(found["spec"].get("replicas") or 0, len(_users(api, service, key)), 1)
        noted = found["metadata"].setdefault("annotations", {})
        noted[_USED] = str(int(noted.get(_USED) or 0) + 1)
        try:
            return api.replace("deployments", found)
        except Changed:
            continue
    raise _restless(name)


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


def _users(api: Api, service: str, key: str) -> list[Json]:
    """The slots that use the copies now."""
    return [slot for slot in _slots(api, service, key) if slot["metadata"]["annotations"].get(STOPPED) != "true"]


def _slots(api: Api, service: str, key: str) -> list[Json]:
    return api.all("services", {SERVICE: service, COPIES: key})


def _restless(name: str) -> NodeError:
    return NodeError("tool", f"the copies {name} are changed by others all the time", todo="look who else does it")
