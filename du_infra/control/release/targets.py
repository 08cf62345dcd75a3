"""Which release of the past is meant."""

from __future__ import annotations

from collections.abc import Mapping

from du_infra.control.context import RegionContext
from du_infra.errors import Refused
from du_infra.release.state import Json

_SHOWN = 8


def earlier(context: RegionContext, service: str, to: str) -> Json:
    """The record of release ``to``: an id, or a tag that only one kept release has. "": what served before.

    Raises Refused, which names those there are.
    """
    kept = {
        release: record for (name, release), record in context.store.releases(context.name).items() if name == service
    }
    if to:
        return _named(service, to, kept)
    last = context.store.rollouts.last_done(context.name, service)
    if last is None or last.previous not in kept:
        what = f"nothing of {service} served before what serves now"
        raise Refused(what, where=f"region {context.name}", todo=_known(kept))
    return kept[last.previous]


def _named(service: str, to: str, kept: Mapping[str, Json]) -> Json:
    if to in kept:
        return kept[to]
    tagged = [record for record in kept.values() if record["tag"] == to]
    if len(tagged) == 1:
        return tagged[0]
    what = f"{len(tagged)} releases of {service} have the tag {to}" if tagged else f"{service} has no release {to}"
    raise Refused(what, where="--to", todo=_known(kept))


def _known(kept: Mapping[str, Json]) -> str:
    return f"kept are: {', '.join([*kept][-_SHOWN:]) or 'none'}"
