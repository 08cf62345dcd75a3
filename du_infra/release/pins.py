"""fleet.yaml's word against a release's: what was released by hand stays until fleet.yaml says something new. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from du_infra.release.plan import digest_of
from du_infra.release.state import Rollout
from du_infra.spec import ServiceSpec

# How a release goes live says nothing of which one is wanted.
_NOT_WHAT = {"release", "before", "before_timeout"}


def mark_of(service: ServiceSpec) -> str:
    """A hash of what fleet.yaml says of a service, as far as it decides what runs: 16 hex digits."""
    return digest_of(service.model_dump(mode="json", exclude=_NOT_WHAT))[:16]


def pinned(last: Rollout | None, service: ServiceSpec) -> str:
    """The release that stays live although fleet.yaml says another; "" when fleet.yaml's is wanted.

    ``last`` is the newest rollout that went live. One that was started with another tag than fleet.yaml's, or went
    back to an earlier release, holds as long as the service's settings there are what they were then.
    """
    if last is None or not last.options.get("over") or last.options.get("mark") != mark_of(service):
        return ""
    return last.release


def words(last: Rollout, record: Mapping[str, Any], service: ServiceSpec) -> str:
    """What a person is told of a pinned release."""
    how = "rolled back" if last.kind == "rollback" else "released"
    if record["tag"] == service.tag:
        return f"{record['release']}, {how} over fleet.yaml's settings"
    return f"{record['tag']}, {how} over fleet.yaml's {service.tag}"
