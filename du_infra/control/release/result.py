"""What a release left, for whoever called for it."""

from __future__ import annotations

from dataclasses import dataclass

from du_infra.control.context import RegionContext
from du_infra.control.release.desk import Ending
from du_infra.health.plan import service_url
from du_infra.release.state import Json, Rollout

PREVIEW_PORT = 8081


@dataclass(frozen=True)
class ReleaseResult:
    """How a release ended well. ``rollout`` is its row in history, None when there was nothing to do.

    ``url`` is where the service answers, ``preview`` where a held release does.
    """

    service: str
    rollout: Rollout | None
    url: str
    preview: str = ""

    @property
    def state(self) -> str:
        """ "done", "held", "aborted"; "unchanged" when the release served everywhere already."""
        return self.rollout.state if self.rollout else "unchanged"

    def to_json(self) -> Json:
        """The stable form for programs."""
        told = self.rollout.to_json() if self.rollout else {"service": self.service}
        return {**told, "state": self.state, "url": self.url, "preview": self.preview}


def result_of(context: RegionContext, ending: Ending, service: str = "") -> ReleaseResult:
    """The ending as a result; ``service`` is needed where there was nothing to do. Raises its error, if it has one."""
    if ending.error:
        raise ending.error
    row = ending.rollouts[0] if ending.rollouts else None
    service = row.service if row else service
    return ReleaseResult(service, row, url_of(context, service), preview_of(context, service, row))


def url_of(context: RegionContext, service: str) -> str:
    """Where the service answers."""
    return service_url(context.services[service], context.store.pool(context.name).vip)


def preview_of(context: RegionContext, service: str, row: Rollout | None) -> str:
    """Where a held release answers: the preview port of the first node that has it."""
    if row is None or row.state != "held":
        return ""
    held = {name for name, told in row.nodes.items() if told.get("asked")}
    address = next((node.address for node in context.store.pool(context.name).nodes if node.name in held), "")
    return f"http://{address}:{PREVIEW_PORT}{context.services[service].path}" if address else ""
