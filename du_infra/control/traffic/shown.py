"""What a pass made of the entrance, as the status page and the metrics have it. Pure."""

from __future__ import annotations

from du_infra.control.traffic.look import View
from du_infra.health.quorum import Vote
from du_infra.seeing.traffic import EntrySeen, TrafficSeen


def traffic_seen(view: View) -> TrafficSeen:
    """Weights and shares as they were decided, standings with their reasons, and votes that still count."""
    record = view.plan.memory.record
    shares = record.shares()
    entries = {}
    for name, one in record.endpoints.items():
        standing, votes = view.standings.get(name), view.votes.get(name, {})
        told = {who: _word(votes.get(who), view.oldest) for who in view.observers.get(name, ())}
        why = standing.why if standing else "nobody observes it"
        entries[name] = EntrySeen(one.weight, shares[name], one.up, why, told)
    return TrafficSeen(view.now, view.aim.name, entries, view.plan.notes, view.settings.freeze)


def _word(vote: Vote | None, oldest: float) -> bool | None:
    return vote.well if vote is not None and vote.at >= oldest else None
