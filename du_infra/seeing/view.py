"""What the page says, in its order; the template only lays it out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from du_infra._version import __version__
from du_infra.seeing import words
from du_infra.seeing.board import Snapshot
from du_infra.seeing.state import NodeSeen, RegionSeen, ReleaseSeen
from du_infra.seeing.traffic import EntrySeen
from du_infra.seeing.words import Badge

CARDS = 24
CHIPS = 2000
REFRESH_SECONDS = 5
_ROWS = 30
_UNSEEN: Mapping[str, Any] = {
    **dict.fromkeys(("place", "survives", "load", "healing"), ""),
    **dict.fromkeys(("why", "nodes", "services"), ()),
    "wanted": 0,
}


class Tile(NamedTuple):
    """One number at the top."""

    number: str
    label: str
    tone: str


def view(seen: Snapshot, *, region: str = "", still: bool = False) -> dict[str, Any]:
    """Everything that the template needs. ``region``: only this one; ``still``: the page does not renew itself."""
    names = [name for name in _by_trouble(seen) if region in ("", name)]
    shown = names[:CARDS]
    return {
        "version": __version__,
        "fleet": seen.fleet or "du-infra",
        "time": words.clock(seen.time),
        "verdict": words.verdict(seen),
        "banners": list(_banners(seen)),
        "tiles": _tiles(seen),
        "only": region,
        "still": still,
        "refresh": REFRESH_SECONDS,
        "interval": f"{seen.interval:g}",
        "regions": [_region(seen, name) for name in shown],
        "others": [(name, words.of_region(seen, name)) for name in names[CARDS : CARDS + CHIPS]],
        "unshown": max(0, len(names) - CARDS - CHIPS),
        "traffic": _traffic(seen),
        "releases": _releases(seen, names),
        "decisions": _decisions(seen, region),
        "events": _events(seen, names),
        "hooks": list(seen.hooks.items()),
    }


def _by_trouble(seen: Snapshot) -> list[str]:
    return sorted(seen.lives, key=lambda name: (words.TONES.index(words.of_region(seen, name).tone), name))


def _banners(seen: Snapshot) -> Iterable[Badge]:
    for line in seen.stale[:5]:
        yield Badge("bad", "✗", line)
    if seen.mistake:
        yield Badge("warn", "!", f"{words.short(seen.mistake)}; what the file said before holds")
    if seen.dry_run:
        yield Badge("calm", "○", "Dry run: the loop says what it would do, and does nothing")


def _tiles(seen: Snapshot) -> list[Tile]:
    nodes = [node for found in seen.regions.values() for node in found.nodes]
    fresh = [found for name, found in seen.regions.items() if not seen.late(name)]
    serving = sum(node.standing == "serving" for found in fresh for node in found.nodes)
    ready = sum(found.status.ready for found in fresh)
    going_on = sum(one.going_on for found in seen.regions.values() for one in found.releases)
    replacing = sum(found.healing.going_on for found in seen.regions.values())
    left = sum(found.healing.left for found in seen.regions.values())
    return [
        Tile(f"{ready}/{len(seen.lives)}", "regions ready", "good" if ready == len(seen.lives) else "bad"),
        Tile(f"{serving}/{len(nodes)}", "nodes serving", "good" if serving == len(nodes) else "warn"),
        Tile(str(going_on), "releases going on", "calm"),
        Tile(str(replacing), "nodes being replaced", "warn" if replacing else "calm"),
        Tile(str(left), "replacements left this hour", "calm"),
    ]


def _region(seen: Snapshot, name: str) -> dict[str, Any]:
    life, found = seen.lives[name], seen.regions.get(name)
    scaled = seen.autoscale.get(name)
    return {
        "name": name,
        "badge": words.of_region(seen, name),
        "seen": words.ago(seen.now - found.at) if found else "not looked at yet",
        "doing": words.short(life.doing),
        "running": "" if life.running is None else f"{seen.now - life.running:.0f} s",
        "error": words.short(life.error),
        "took": "" if life.ended_at is None else f"{life.last:.1f} s",
        "autoscale": words.short(f"{scaled.nodes} → {scaled.want}: {scaled.why}") if scaled else "",
        **(_found(found) if found else _UNSEEN),
    }


def _found(found: RegionSeen) -> dict[str, Any]:
    status = found.status
    place = [status.provider, status.runtime, status.gateway, status.vip]
    counted = found.measured
    load = [] if counted is None else [(counted.rps, "{:.1f} requests/s a node"), (counted.p95, "p95 {:.0f} ms")]
    return {
        "place": " · ".join(part for part in place if part),
        "why": [words.short(why) for why in status.why[:10]],
        "survives": status.survives,
        "wanted": found.wanted,
        "load": " · ".join(form.format(value) for value, form in load if value is not None),
        "healing": "" if found.healing.enabled else "healing is turned off",
        "nodes": [_node(node) for node in found.nodes],
        "services": [
            {
                "name": one.name,
                "url": one.url,
                "release": one.release or "○",
                "badge": words.of_ready(one.ready),
                "why": words.short(one.why),
                "copies": "" if one.copies is None else f"{one.copies_ready or 0} of {one.copies} copies",
            }
            for one in status.services
        ],
    }


def _node(node: NodeSeen) -> dict[str, Any]:
    figures = [("CPU", node.cpu_percent), ("memory", node.memory_percent), ("disk", node.disk_percent)]
    return {
        "name": node.name,
        "address": node.address,
        "badge": words.of_standing(node.standing),
        "front": node.front,
        "machine": "" if node.machine in ("", "running") else f"machine {node.machine}",
        "why": words.short(node.why) if node.standing != "serving" else "",
        "bars": [(label, round(min(100.0, max(0.0, value)))) for label, value in figures if value is not None],
    }


def _releases(seen: Snapshot, names: Sequence[str]) -> list[dict[str, Any]]:
    """What goes on first, then the newest."""
    found = [(name, one) for name in names if name in seen.regions for one in seen.regions[name].releases]
    found.sort(key=lambda pair: (not pair[1].going_on, -pair[1].moment))
    return [_release(seen, name, one) for name, one in found[:12]]


def _release(seen: Snapshot, name: str, one: ReleaseSeen) -> dict[str, Any]:
    return {
        "where": f"{name} · {one.service}",
        "badge": words.of_release(one.state),
        "what": f"{one.release}{f' in place of {one.previous}' if one.previous else ''}",
        "who": f"{one.kind} by {one.actor}",
        "when": words.ago(seen.time - one.moment),
        "why": words.short(one.why),
    }


def _decisions(seen: Snapshot, region: str) -> list[dict[str, Any]]:
    found = [one for one in seen.decisions if region in ("", one.region)]
    return [
        {
            "time": words.clock(one.time),
            "badge": words.of_decision(one.kind),
            "where": one.node or one.region or "the loop",
            "text": words.short(one.text),
        }
        for one in found[:_ROWS]
    ]


def _events(seen: Snapshot, names: Sequence[str]) -> list[dict[str, Any]]:
    found = [(name, one) for name in names if name in seen.regions for one in seen.regions[name].events]
    found.sort(key=lambda pair: -pair[1].time)
    return [
        {
            "time": words.clock(one.time),
            "where": name,
            "kind": one.kind,
            "actor": one.actor,
            "text": words.short(one.text),
        }
        for name, one in found[:_ROWS]
    ]


def _traffic(seen: Snapshot) -> dict[str, Any] | None:
    if seen.traffic is None:
        return None
    return {
        "name": seen.traffic.name,
        "seen": words.ago(seen.now - seen.traffic.at),
        "frozen": seen.traffic.frozen,
        "notes": [words.short(note) for note in seen.traffic.notes[:10]],
        "entries": [_entry(name, one) for name, one in sorted(seen.traffic.entries.items())],
    }


def _entry(name: str, one: EntrySeen) -> dict[str, Any]:
    return {
        "name": name,
        "badge": Badge("good", "✓", "given out") if one.up and one.weight else _out(one),
        "weight": one.weight,
        "share": round(100 * one.share),
        "why": words.short(one.why),
        "votes": [_vote(observer, said) for observer, said in one.votes.items()],
    }


def _out(one: EntrySeen) -> Badge:
    return Badge("bad", "✗", "down") if not one.up else Badge("calm", "○", "drained")


def _vote(observer: str, said: bool | None) -> tuple[str, Badge]:
    known: Mapping[bool | None, Badge] = {
        True: Badge("good", "✓", "well"),
        False: Badge("bad", "✗", "dead"),
        None: Badge("calm", "?", "silent"),
    }
    return observer, known[said]
