"""Stage "services": which image each tag means now, and every node running what it should."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.control.parallel import each
from du_infra.control.region_plan import why_deploy
from du_infra.engines import skopeo, ssh
from du_infra.errors import Busy, DuError, EngineFailed, NotReady, Unreachable
from du_infra.health.state import NodeReport
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter
from du_infra.release.plan import entry_of, release_of, wanted_of
from du_infra.release.state import Json

STAGE = "services"

_ERRORS: dict[int, type[DuError]] = {5: EngineFailed, 6: NotReady, 7: Busy, 8: Unreachable}
_APPLY_MARGIN_SECONDS = 300


def resolve_wanted(context: RegionContext) -> Json:
    """What every node should run, with each tag looked up in its registry now.

    Raises SpecError when an image does not exist, Unreachable when its registry does not answer.
    """
    names = list(context.services)
    digests = each(lambda name: _digest(context, name), names)
    releases = [release_of(n, context.services[n], digest) for n, digest in zip(names, digests, strict=True)]
    return wanted_of(context.fleet.fleet, context.name, [entry_of(release) for release in releases])


def deploy(
    context: RegionContext,
    nodes: Sequence[Node],
    reports: Sequence[NodeReport],
    wanted: Json,
    report: Reporter,
) -> bool:
    """Have every node run ``wanted``; true when something was done.

    Nodes that serve nothing yet are worked on at once, the others one after the other, so that a bad release
    stops at the first of them. Raises NotReady with the service's last words, and the node's other errors.
    """
    state = {r.name: r for r in reports}
    todo = [node for node in nodes if why_deploy(state[node.name], wanted)]
    if not todo:
        report(Event("step", STAGE, "nothing to change"))
        return False
    for release in wanted["services"]:
        context.store.record_release(context.name, release)
    empty = [node for node in todo if not state[node.name].services]
    each(lambda node: _apply(context, node, wanted, report), empty)
    for node in todo:
        if node not in empty:
            _apply(context, node, wanted, report)
    return True


def _digest(context: RegionContext, name: str) -> str:
    service = context.services[name]
    for registry in context.provider.registries():
        if service.image.startswith(f"{registry.host}/"):
            repository = registry.address + service.image.removeprefix(registry.host)
            return skopeo.digest(repository, service.tag, plain_http=registry.plain_http)
    return skopeo.digest(service.image, service.tag)


def _apply(context: RegionContext, node: Node, wanted: Json, report: Reporter) -> None:
    told: list[Mapping[str, Any]] = []

    def listen(line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            message = {"kind": "warning", "text": line}
        if message.get("kind") in ("step", "warning"):
            report(Event(message["kind"], STAGE, str(message.get("text", "")), node=node.name))
        else:
            told.append(message)

    order = json.dumps({**wanted, "node": node.name})
    done = ssh.stream(context.target(node), ["du-node", "apply"], order, listen, timeout=_patience(wanted))
    if done.rc != 0:
        raise _failure(node, done, told)


def _patience(wanted: Json) -> float:
    return float(_APPLY_MARGIN_SECONDS + sum(s["start_timeout"] + s["stop_grace"] for s in wanted["services"]))


def _failure(node: Node, done: ssh.Result, told: Sequence[Mapping[str, Any]]) -> DuError:
    kind = _ERRORS.get(done.rc, EngineFailed)
    error: Mapping[str, Any] = next((message for message in reversed(told) if message.get("kind") == "error"), {})
    what = str(error.get("text") or "du-node failed")
    service = str(error.get("service") or "")
    return kind(
        what,
        where=f"{node.name}/{service}" if service else node.name,
        todo=str(error.get("todo") or "mend it and run the same command again"),
        detail=str(error.get("detail") or done.stderr),
    )
