"""``traffic status`` and ``control explain``: what is answered, by whose word, and why. Changes nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.look import View
from du_infra.control.traffic.turn import Desk, look_around
from du_infra.control.traffic.watcher import Watcher
from du_infra.errors import SpecError
from du_infra.progress import Reporter
from du_infra.spec.suggest import did_you_mean
from du_infra.store.traffic import Decided
from du_infra.traffic.aim import NO_LIMIT
from du_infra.traffic.course import Course
from du_infra.traffic.guard import Budget, drain_refusal
from du_infra.traffic.shares import percent, share_of
from du_infra.traffic.verdict import Verdict


@dataclass(frozen=True)
class RegionLine:
    """One region behind the name. ``weight`` and ``share`` as DNS has them now, ``wanted`` the share in the end.

    ``state``: "up" or "down", for ``since_s`` seconds; ``sure``: a majority says so just now; ``why``: by whose word.
    ``given_out``: whether any answer has it.
    """

    name: str
    address: str
    weight: int
    share: float
    wanted: float
    given_out: bool
    drained: bool
    state: str
    sure: bool
    since_s: float
    why: str


@dataclass(frozen=True)
class TrafficStatus:
    """The entrance as it is now. ``ready``: who is to be given out is up and given out, and every server says so.

    ``waits``: what is so and should not be, and what is to be done and may not yet. ``at_work``: who changes it now.
    """

    name: str
    backend: str
    ttl: int
    frozen: bool
    regions: tuple[RegionLine, ...]
    servers: tuple[Verdict, ...]
    course: Course
    waits: tuple[str, ...] = ()
    todo: tuple[str, ...] = ()
    at_work: str = ""

    @property
    def ready(self) -> bool:
        """Whether nothing is amiss."""
        asked = [one for one in self.regions if one.wanted > 0]
        regions = bool(asked) and all(one.state == "up" and one.given_out for one in asked)
        return regions and bool(self.servers) and all(one.ok for one in self.servers)

    def to_json(self) -> dict[str, Any]:
        """The stable form of ``traffic status --output json`` (docs/cli.md)."""
        told = asdict(self)
        return {"ready": self.ready, **told, "course": self.course.to_json()}


@dataclass(frozen=True)
class VoteLine:
    """What one observer of a region said ``age_s`` ago: "well", "dead", or nothing that is still worth anything ("").

    ``why``: what was amiss, or why nothing is known.
    """

    observer: str
    word: str
    age_s: float | None
    why: str


@dataclass(frozen=True)
class Explanation:
    """Why a region stands as it does, and what would be allowed now. ``guards`` are in words."""

    region: str
    state: str
    why: str
    votes: tuple[VoteLine, ...]
    guards: tuple[str, ...]


@dataclass(frozen=True)
class Explained:
    """Every region that was asked for, what holds for all, and the last decisions, the newest first."""

    name: str
    regions: tuple[Explanation, ...]
    guards: tuple[str, ...]
    decisions: tuple[Decided, ...]

    def to_json(self) -> dict[str, Any]:
        """The stable form of ``control explain --output json`` (docs/cli.md)."""
        return asdict(self)


def traffic_status(entrance: Entrance, report: Reporter) -> TrafficStatus:
    """Look, ask every server, and tell. Raises what the backend does."""
    desk, view = look_once(entrance, report)
    servers = tuple(desk.dns.ask(view.record)) if view.record else ()
    holder = entrance.store.leases.holder(entrance.lease)
    return TrafficStatus(
        entrance.name,
        entrance.spec.backend,
        view.record.ttl if view.record else entrance.spec.ttl_seconds,
        entrance.spec.freeze,
        tuple(_lines(view)),
        servers,
        view.course,
        view.plan.notes,
        tuple(str(action) for action in view.plan.actions),
        holder.who if holder else "",
    )


def explain(entrance: Entrance, report: Reporter, region: str = "", limit: int = 10) -> Explained:
    """Votes, guards and the last decisions; about all regions, or one. Raises SpecError for one that is not there."""
    if region and region not in entrance.regions:
        hint = did_you_mean(region, list(entrance.regions))
        raise SpecError("fleet.yaml has no such region", where=region, todo=hint or "see `du-infra traffic status`")
    _, view = look_once(entrance, report)
    names = [region] if region else list(entrance.regions)
    decisions = entrance.store.traffic.decisions(entrance.name, region, limit)
    told = tuple(_explained(view, name) for name in names)
    return Explained(entrance.name, told, tuple(_guards(view)), tuple(decisions))


def look_once(entrance: Entrance, report: Reporter) -> tuple[Desk, View]:
    """A look by who looks only now and then: every region and its nodes are asked."""
    desk, board = look_around(entrance, report, Watcher())
    return desk, desk.look(board)


def _lines(view: View) -> list[RegionLine]:
    known = view.record.endpoints if view.record else {}
    shares = view.record.shares() if view.record else {}
    wanted = share_of(view.aim.wanted())
    found = []
    for name in view.aim.weights:
        here, standing = known.get(name), view.standings.get(name)
        found.append(
            RegionLine(
                name,
                here.address if here else view.aim.addresses.get(name, ""),
                here.weight if here else 0,
                round(shares.get(name, 0.0), 4),
                round(wanted.get(name, 0.0), 4),
                here is not None and here.given_out,
                name in view.aim.drained,
                standing.state if standing else "down",
                standing is not None and standing.known and standing.leaning is None,
                round(view.now - standing.since, 1) if standing else 0.0,
                standing.why if standing else "it is not brought up",
            )
        )
    return found


def _explained(view: View, name: str) -> Explanation:
    standing = view.standings.get(name)
    votes = view.votes.get(name, {})
    lines = []
    for observer in view.observers.get(name, ()):
        vote = votes.get(observer)
        if vote is None:
            lines.append(VoteLine(observer, "", None, view.silent.get(observer, "has not seen it")))
            continue
        age = round(view.now - vote.at, 1)
        word = "" if vote.at < view.oldest else "well" if vote.well else "dead"
        lines.append(VoteLine(observer, word, age, vote.why or ("" if word else "too old to count")))
    state, why = (standing.state, standing.why) if standing else ("down", "it is not brought up")
    return Explanation(name, state, why, tuple(lines), tuple(_region_guards(view, name)))


def _region_guards(view: View, name: str) -> list[str]:
    base, wanted = view.plan.memory.base, view.aim.wanted()
    rest = {other: 0 if other == name else weight for other, weight in wanted.items()}
    if refused := drain_refusal(name, base, rest, view.standings, view.settings.min_regions):
        return [f"it may not be drained now: {refused}"]
    return []


def _guards(view: View) -> list[str]:
    """What holds changes up for everybody."""
    settings, memory = view.settings, view.plan.memory
    budget = Budget(memory.changes, settings, view.now)
    found = [
        f"per_hour: {len(budget.changes)} of {settings.per_hour} changes within an hour"
        + (f"; nothing more: {budget.spent}" if budget.spent else "")
        + (f"; by plan nothing more: {budget.spent_by_plan}" if budget.spent_by_plan else ""),
        "max_shift: no limit"
        if settings.max_shift >= NO_LIMIT
        else f"max_shift: {percent(budget.left)} may still be moved by plan within this hour",
        f"min_regions: {settings.min_regions}",
    ]
    return ["freeze: nothing is changed"] * settings.freeze + found + list(view.plan.notes)
