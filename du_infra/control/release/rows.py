"""New rows of history, and the leases and locks that go with work on a region's releases."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

from du_infra.control.context import RegionContext
from du_infra.release.state import Json, Kind, Rollout
from du_infra.store.database import actor
from du_infra.store.leases import Lease


def begin(
    context: RegionContext,
    kind: Kind,
    record: Json,
    previous: str,
    options: Mapping[str, Any],
    nodes: Sequence[str],
) -> Rollout:
    """Keep a release for ever and write down that it is to go live, where ``previous`` served."""
    context.store.record_release(context.name, record)
    row = Rollout(
        id=0,
        region=context.name,
        service=record["name"],
        kind=kind,
        release=record["release"],
        previous=previous,
        actor=actor(),
        options=options,
        started=time.time(),
        nodes={node: {"serves": previous} for node in nodes},
    )
    return context.store.rollouts.begin(row)


@contextmanager
def leased(context: RegionContext, services: Mapping[str, str]) -> Iterator[list[Lease]]:
    """Hold the lease of each service, for doing what it maps to. Raises Busy, which says who holds it."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(context.store.leases.held(lease_of(context, name), what))
            for name, what in services.items()
        ]


def lease_of(context: RegionContext, service: str) -> str:
    """The name of a service's lease."""
    return f"{context.name}/{service}"
