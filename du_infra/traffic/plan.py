"""What a name should answer now, and why: one decision from what is wanted, seen and remembered. Pure: no I/O.

Health comes first: who is down is not given out, at once, within the guards. Only where health asks for nothing are
shares moved by plan, one step at a time, each seen by the gateways before the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from du_infra.health.state import Standing
from du_infra.traffic.aim import Aim, Settings
from du_infra.traffic.answers import moved, told_otherwise
from du_infra.traffic.capacity import Load, crowded, demand_of, losses, rooms_of
from du_infra.traffic.failover import Given, Mode, give_out
from du_infra.traffic.guard import Budget, Change
from du_infra.traffic.memory import Memory, adopted
from du_infra.traffic.ramp import Step, next_step
from du_infra.traffic.seen import Seen, not_as_told
from du_infra.traffic.sound import followed, sound
from du_infra.traffic.state import Endpoint, Record
from du_infra.traffic.words import Action, by_health, by_plan, notes_of, settings_changed

_WORTH_IT = 0.05
"""A dead region's rest is made smaller in steps of at least this: room is measured, and measures tremble."""


@dataclass(frozen=True)
class Facts:
    """What was observed. ``record``: what DNS has been told, None for nothing. ``loads``: of those that tell it.

    A region that is not in ``health`` is nobody's to call well: it counts as down.
    """

    record: Record | None
    health: Mapping[str, Standing] = field(default_factory=dict)
    loads: Mapping[str, Load] = field(default_factory=dict)
    seen: Seen | None = None


@dataclass(frozen=True)
class Plan:
    """``record`` is to be written (None: DNS is as it should be), by way of ``actions``; ``notes`` say what waits.

    ``memory`` is for the next pass. It is kept *before* the record is written: whoever is killed in between leaves a
    decision that the next pass carries out.
    """

    record: Record | None
    memory: Memory
    actions: tuple[Action, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The stable form for programs: ``record`` is null when DNS is as it should be."""
        return {
            "name": self.memory.record.name,
            "record": asdict(self.record) if self.record else None,
            "weights": dict(self.memory.base),
            "actions": [asdict(one) for one in self.actions],
            "notes": list(self.notes),
        }


def plan_traffic(aim: Aim, facts: Facts, memory: Memory | None, settings: Settings, now: float) -> Plan:
    """What the name should answer now. What is promised (and tested for every input):

    - an answer is never empty once a region has a weight, and never has fewer regions than min_regions;
    - a region whose health is worse never gets more; when all are down, all get what they had by plan;
    - nobody gets more by plan, or of a dead region's share, than there is room for;
    - per_hour and max_shift hold within any hour, and nothing changes while it is frozen.
    """
    aim, unsound = sound(aim, memory.record if memory else facts.record)
    found = _begin(aim, memory, facts.record, settings, now)
    if found is None:
        notes = ("no region has an address yet", *unsound)
        return Plan(None, Memory({}, Record(aim.name, aim.ttl), now), notes=notes)
    decided = _Pass(aim, facts, found, settings, now).decide()
    notes = (*decided.notes, *unsound)
    if settings.freeze and facts.record is not None:
        words = tuple(f"frozen, not done: {one}" for one in decided.actions) or ("frozen",)
        return Plan(None, found, notes=(*words, *notes))
    return replace(decided, notes=notes) if unsound else decided


def _begin(aim: Aim, memory: Memory | None, record: Record | None, settings: Settings, now: float) -> Memory | None:
    """Where nothing is remembered DNS counts, and where that is empty as well everybody gets what he is to have."""
    if memory is not None and any((found := followed(memory, aim, settings)).base.values()):
        return found
    if record is not None and any(one.weight for one in record.endpoints.values()):
        found = followed(adopted(record, settings, now), aim, settings)
        if any(found.base.values()):
            return found
    wanted = aim.wanted()
    return Memory(settings.numbers(wanted), Record(aim.name, aim.ttl), now) if any(wanted.values()) else None


class _Pass:
    """One decision."""

    def __init__(self, aim: Aim, facts: Facts, memory: Memory, settings: Settings, now: float) -> None:
        self._aim, self._facts, self._was, self._settings, self._now = aim, facts, memory, settings, now
        asked = aim.wanted()
        gone = {name: weight for name, weight in memory.base.items() if weight and name not in asked}
        self._base = {**{name: memory.base.get(name, 0) for name in asked}, **gone}
        self._wanted = {**settings.numbers(asked), **dict.fromkeys(gone, 0)} if any(asked.values()) else self._base
        self._up = {name for name in self._base if (one := facts.health.get(name)) is not None and one.up}
        self._budget = Budget(memory.changes, settings, now)
        calm = not memory.out and self._up >= {name for name, weight in self._base.items() if weight}
        self._demand = demand_of(facts.loads, memory.record.live(), memory.demand, calm=calm)
        self._rooms = rooms_of(facts.loads, settings.capacity, self._demand)

    def decide(self) -> Plan:
        given = self._given(self._base)
        record = self._record(given)
        if record is not self._was.record and (share := moved(self._was.record, record)):
            return self._by_health(given, record, share)
        step = self._step(given)
        if step.base is None:
            return self._nothing_new(given, record, step)
        return self._by_plan(step)

    def _by_health(self, given: Given, record: Record, share: float) -> Plan:
        spent = self._budget.spent if any(name in self._up for name in self._was.record.live()) else ""
        notes = self._notes(given, record)
        if spent:
            return self._held(spent, *notes)
        actions = by_health(given, record, self._was.record, self._was.out, self._facts.health)
        return self._changed(record, self._base, given, Change(self._now, False, share), actions, notes)

    def _held(self, spent: str, *notes: str) -> Plan:
        """All stays as it was, for nothing more may be changed just now; what DNS lost of it is brought back."""
        held = self._remember(self._was.record, self._base, self._was.out)
        return Plan(self._to_write(self._was.record), held, (), (f"nothing is changed: {spent}", *notes))

    def _by_plan(self, step: Step) -> Plan:
        base = step.base or self._base
        given = self._given(base)
        record = self._record(given)
        actions = by_plan(self._base, base, self._wanted)
        change = Change(self._now, True, step.moved)
        return self._changed(record, base, given, change, actions, (*step.why, *self._notes(given, record)))

    def _nothing_new(self, given: Given, record: Record, step: Step) -> Plan:
        """DNS may still be wrong: somebody changed it, a write failed, or an address or the TTL is another one now."""
        if told_otherwise(self._was.record, record):
            if spent := self._budget.spent_by_plan:
                return self._held(spent)
            self._budget.changes = (*self._budget.changes, Change(self._now, False, 0.0))
        write = self._to_write(record)
        ramping = self._was.ramping and self._base != self._wanted
        memory = self._remember(record, self._base, given.out, given.mode, ramping=ramping)
        if write is not None:
            memory = replace(memory, changed=self._now)
        notes = (*step.why, *self._notes(given, record), *losses(self._base, self._rooms))
        return Plan(write, memory, settings_changed(self._facts.record, record) if write else (), notes)

    def _changed(
        self,
        record: Record,
        base: Mapping[str, int],
        given: Given,
        change: Change,
        actions: tuple[Action, ...],
        notes: tuple[str, ...],
    ) -> Plan:
        ramping = base != self._wanted and (change.planned or self._was.ramping)
        memory = self._remember(record, base, given.out, given.mode, ramping=ramping)
        changes = (*self._budget.changes, change) if self._was.record.endpoints else ()
        memory = replace(memory, changed=self._now, changes=changes)
        return Plan(self._to_write(record), memory, actions, notes)

    def _step(self, given: Given) -> Step:
        """The next step by plan, or why there is none now."""
        if self._base == self._wanted:
            return Step()
        if reason := self._waits() or (given.left and "no share is moved while a dead region keeps a rest of its own"):
            return Step(why=(reason,))
        total = sum(self._base.values()) or 1
        out = sum(self._base[name] for name in given.out)
        rooms = {name: room * (total - out) / total for name, room in self._rooms.items()}
        return next_step(self._base, self._wanted, self._facts.health, rooms, self._settings, self._budget)

    def _waits(self) -> str:
        if self._budget.spent_by_plan:
            return self._budget.spent_by_plan
        since = self._now - self._was.changed
        if since < self._settings.soak:
            return f"the last change was {since:.0f} s ago, and soak is {self._settings.soak:.0f} s"
        if not self._was.ramping:
            return ""
        shares, begin = self._was.record.shares(), self._was.changed + self._settings.settle
        return not_as_told(shares, self._facts.seen, begin, self._settings.min_requests)

    def _given(self, base: Mapping[str, int]) -> Given:
        aim = self._aim
        standbys = [n for n, weight in base.items() if not weight and n in aim.addresses and n not in aim.drained]
        rooms = self._rooms if self._settings.weighted else {}  # in or out: nobody can keep a part
        least = self._settings.min_regions
        given = give_out(base, self._up, least, rooms, standbys, self._was.out)
        return self._calmed(given) if base == self._was.base else given

    def _calmed(self, given: Given) -> Given:
        """While the same regions are down nothing is handed back to them, and what they keep shrinks in large steps."""
        before, was = self._was.record.endpoints, self._was
        if not given.out or given.out != was.out or given.mode != was.mode:
            return given
        kept = {name: before[name].weight for name in given.out if name in before and before[name].given_out}
        left, old = sum(given.left.values()), sum(kept.values())
        if not left or left <= old - _WORTH_IT * sum(self._base.values()):
            return given
        weights = {name: before[name].weight if name in before else 0 for name in given.weights}
        return replace(given, weights=weights, left=kept)

    def _record(self, given: Given) -> Record:
        """What is unchanged is the same object: there may be ten thousand."""
        before, addresses = self._was.record.endpoints, self._aim.addresses
        found, same = {}, len(before) == len(given.weights)
        for name, weight in given.weights.items():
            old = before.get(name)
            address = addresses.get(name) or (old.address if old else "")
            up = given.up(name)
            if old is None or old.weight != weight or old.up != up or old.address != address:
                old, same = Endpoint(address, weight, up), False
            found[name] = old
        was = self._was.record
        if same and (was.name, was.ttl) == (self._aim.name, self._aim.ttl):
            return was
        return Record(self._aim.name, self._aim.ttl, found)

    def _notes(self, given: Given, record: Record) -> tuple[str, ...]:
        """What is so, and should not be."""
        up = {name: share for name, share in record.shares().items() if name in self._up}
        return (*notes_of(given, self._facts.health), *crowded(up, self._rooms))

    def _to_write(self, record: Record) -> Record | None:
        return None if record == self._facts.record else record

    def _remember(
        self,
        record: Record,
        base: Mapping[str, int],
        out: frozenset[str],
        mode: Mode | None = None,
        *,
        ramping: bool | None = None,
    ) -> Memory:
        return replace(
            self._was,
            base=base,
            record=record,
            out=out,
            mode=mode or self._was.mode,
            changes=self._budget.changes,
            demand=self._demand,
            ramping=self._was.ramping if ramping is None else ramping,
        )
