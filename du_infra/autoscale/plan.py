"""How many nodes a region should have now, and why. Pure: no I/O, and the only clock is the ``now`` that is passed in.

Growing is quick and shrinking is slow, because too few nodes cost requests and too many cost a little money:

- up, when 80 % of the last ``up_after`` asked for more; at most to twice as many nodes at a time;
- down, when in all of the last ``down_after`` fewer were enough, everything was measured, and every node told it; at
  most by a quarter, at least by one;
- after a change nothing happens for ``cooldown``, and what was measured before it counts no more;
- a node that had to come back soon after it went makes the next one wait twice as long, up to an hour.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from du_infra.autoscale import words
from du_infra.autoscale.advice import advise, knows_all, missing
from du_infra.autoscale.state import MEASURED_SECONDS, Change, Decision, Sample, Settings, State
from du_infra.autoscale.window import Window, window

STALE_SECONDS = 90.0
SURE_SHARE = 0.8
_KNOWN_SHARE = 0.9
_LONGEST_REST = 3600.0
REMEMBERED_SECONDS = 3 * 3600.0
"""How far back changes are of interest."""


def plan(settings: Settings, history: Sequence[Sample], now: float, state: State) -> Decision:
    """How many nodes there should be. ``history``: samples, the oldest first; ``now`` by the clock of all times here.

    What was begun is finished first, unless fewer nodes than there are would do by now: a provider that has no room
    must not keep the region large. What lies in the future of ``now`` is not looked at.
    """
    bounded = min(max(state.wish, settings.least), settings.most)
    if bounded != state.wish:
        limit = "max" if bounded < state.wish else "min"
        return Decision(state.nodes, bounded, f"{limit} is {bounded}")
    changes = [change for change in state.changes if now - REMEMBERED_SECONDS < change.when <= now]
    found = _by_load(settings, [s for s in history if s.when <= now], now, state.nodes, changes)
    unfinished = state.nodes != state.wish or (changes and not changes[-1].ended)
    if unfinished and found.want >= state.nodes:
        return Decision(state.nodes, state.wish, "that was begun and is not finished", resumed=True)
    return found


def horizon(settings: Settings) -> float:
    """How many seconds back ``plan`` looks at samples."""
    return max(settings.up_after, settings.down_after) + 2 * MEASURED_SECONDS + STALE_SECONDS


def _by_load(
    settings: Settings, history: Sequence[Sample], now: float, nodes: int, changes: Sequence[Change]
) -> Decision:
    if not history or now - history[-1].when > STALE_SECONDS:
        return Decision(nodes, nodes, words.not_measured(history[-1] if history else None, now))
    since = now - changes[-1].when if changes else float("inf")
    if since < settings.cooldown:
        return Decision(nodes, nodes, words.cooling(settings.cooldown - since, changes[-1]))
    usable = _since_the_change(history, nodes, changes)
    if not usable:
        return Decision(nodes, nodes, words.settling(nodes))
    recent, longer = window(usable, settings.up_after), window(usable, settings.down_after)
    more = recent.reached(lambda sample: _asked(sample, settings), SURE_SHARE)
    if more > nodes:
        return _up(settings, recent, nodes, more)
    fewer = max(_asked(sample, settings) for sample in longer.samples)
    if fewer < nodes:
        return _down(settings, longer, nodes, fewer, _rest(settings, changes) - since)
    return Decision(nodes, nodes, _why_not(settings, recent, longer, nodes))


def _asked(sample: Sample, settings: Settings) -> int:
    return advise(sample, settings)[0].nodes


def _since_the_change(history: Sequence[Sample], nodes: int, changes: Sequence[Change]) -> list[Sample]:
    """The samples whose whole minute was measured with this number of nodes."""
    others = [sample.when for sample in history if sample.nodes != nodes]
    start = max([change.when for change in changes] + others, default=float("-inf"))
    return [sample for sample in history if sample.when - MEASURED_SECONDS >= start]


def _up(settings: Settings, recent: Window, nodes: int, more: int) -> Decision:
    want = min(more, 2 * nodes, settings.most)
    why = words.too_much(settings, recent, nodes)
    if want == nodes:
        return Decision(nodes, nodes, f"{why}, but max is {settings.most}")
    return Decision(nodes, want, why)


def _down(settings: Settings, longer: Window, nodes: int, fewer: int, rest: float) -> Decision:
    want = max(fewer, nodes - max(1, nodes // 4), settings.least)
    why = words.enough(settings, longer, want)
    if want == nodes:
        return Decision(nodes, nodes, f"{why}, but min is {settings.least}")
    if longer.known < _KNOWN_SHARE * longer.length:
        return Decision(nodes, nodes, words.not_long_enough(longer))
    if rest > 0:
        return Decision(nodes, nodes, f"{why}, but the last one that went had to come back: {words.left(rest)}")
    return Decision(nodes, want, why)


def _rest(settings: Settings, changes: Sequence[Change]) -> float:
    """Seconds that must pass after a change before nodes go: doubled by every one that went and had to come back."""
    mistakes, soon = 0, 2 * (settings.down_after + settings.cooldown)
    for first, second in pairwise(changes):
        back = first.after < first.before and second.after > second.before
        mistakes += back and second.when - first.when <= soon
    return min(settings.down_after * 2**mistakes, max(_LONGEST_REST, settings.down_after)) if mistakes else 0.0


def _why_not(settings: Settings, recent: Window, longer: Window, nodes: int) -> str:
    newest = recent.samples[-1]
    if not knows_all(newest, settings):
        return words.unknown(newest, list(missing(newest, settings)))
    if _asked(newest, settings) > nodes:
        return words.too_much(settings, recent, nodes) + words.needed(SURE_SHARE * recent.length)
    if _asked(newest, settings) < nodes:
        return words.enough_now(settings, longer, nodes)
    return words.as_it_should_be(newest, settings)
