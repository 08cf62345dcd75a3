"""How a state is said on the page: a mark, a word and a tone. Colour alone says nothing. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias

from du_infra.release.state import moment
from du_infra.seeing.board import Snapshot
from du_infra.seeing.state import RegionSeen

Tone: TypeAlias = Literal["bad", "warn", "calm", "good"]
TONES: tuple[Tone, ...] = ("bad", "warn", "calm", "good")
LONGEST = 400


class Badge(NamedTuple):
    """``tone`` chooses the colour, ``mark`` and ``word`` say the same without it."""

    tone: Tone
    mark: str
    word: str


_STANDINGS: Mapping[str, Badge] = {
    "serving": Badge("good", "✓", "serving"),
    "drained": Badge("calm", "○", "drained"),
    "unready": Badge("warn", "!", "not ready"),
    "sick": Badge("bad", "✗", "sick"),
    "silent": Badge("warn", "!", "silent"),
    "dead": Badge("bad", "✗", "dead"),
    "gone": Badge("bad", "✗", "gone"),
    "joining": Badge("calm", "…", "joining"),
    "leaving": Badge("calm", "→", "leaving"),
}
_RELEASES: Mapping[str, Badge] = {
    "running": Badge("calm", "…", "going live"),
    "held": Badge("warn", "!", "held"),
    "cut-off": Badge("warn", "!", "cut off"),
    "done": Badge("good", "✓", "live"),
    "aborted": Badge("warn", "!", "aborted"),
    "rolled-back": Badge("bad", "✗", "rolled back"),
    "failed": Badge("bad", "✗", "failed"),
}
_DECISIONS: Mapping[str, Badge] = {
    "done": Badge("good", "✓", "done"),
    "well": Badge("good", "✓", "well"),
    "failed": Badge("bad", "✗", "failed"),
    "left": Badge("warn", "!", "left"),
    "busy": Badge("calm", "○", "busy"),
    "share": Badge("calm", "○", "share"),
    "pull": Badge("calm", "○", "pull"),
}


def of_standing(standing: str) -> Badge:
    """How a node stands."""
    return _STANDINGS[standing]


def of_release(state: str) -> Badge:
    """How far a release is."""
    return _RELEASES.get(state) or Badge("calm", "○", state)


def of_decision(kind: str) -> Badge:
    """What kind of decision it is; one that is carried out now has an arrow."""
    return _DECISIONS.get(kind) or Badge("calm", "→", kind)


def of_ready(ready: bool) -> Badge:
    """Ready or not."""
    return Badge("good", "✓", "ready") if ready else Badge("bad", "✗", "not ready")


def of_region(seen: Snapshot, name: str) -> Badge:
    """How a region is; nothing that was seen long ago looks well."""
    found = seen.regions.get(name)
    if seen.lives[name].stale(seen.now):
        return Badge("bad", "✗", "stale")
    if found is None:
        return Badge("bad", "✗", "not seen") if seen.lives[name].error else Badge("calm", "…", "not seen yet")
    if seen.late(name):
        return Badge("bad", "✗", "not seen of late")
    return of_found(found, failing=bool(seen.lives[name].error))


def of_found(found: RegionSeen, *, failing: bool) -> Badge:
    """How a region was at the last look; ``failing``: the last pass over it failed."""
    if not found.up:
        return Badge("calm", "○", "not up")
    if not found.status.ready:
        return Badge("bad", "✗", "not ready")
    if failing:
        return Badge("warn", "!", "ready, but its last pass failed")
    if any(node.standing not in ("serving", "drained", "leaving", "joining") for node in found.nodes):
        return Badge("warn", "!", "ready, with a node amiss")
    return Badge("good", "✓", "ready")


def verdict(seen: Snapshot) -> Badge:
    """The whole fleet in one sentence."""
    if seen.stale:
        return Badge("bad", "✗", "The loop has stopped: what follows is old")
    badges = [of_region(seen, name) for name in seen.lives]
    bad = sum(badge.tone == "bad" for badge in badges)
    if bad:
        unseen = any(badge.word.startswith("not seen") for badge in badges if badge.tone == "bad")
        what = "not ready, or not seen of late" if unseen else "not ready"
        return Badge("bad", "✗", f"{bad} of {_regions(len(badges))} {'is' if bad == 1 else 'are'} {what}")
    if seen.mistake or any(badge.tone == "warn" for badge in badges):
        return Badge("warn", "!", "Requests are served, and something is amiss")
    if not badges or all(badge.tone == "calm" for badge in badges):
        return Badge("calm", "…", "Nothing is up, or was looked at yet")
    return Badge("good", "✓", "All is well" if len(badges) == 1 else f"All is well in {_regions(len(badges))}")


def ago(seconds: float | None) -> str:
    """A length of time as a person says it."""
    if seconds is None:
        return "never"
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} s ago"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago" if seconds < 129600 else f"{seconds / 86400:.0f} days ago"


def clock(time: float) -> str:
    """A moment as people read it, in UTC."""
    return moment(time).replace("T", " ").removesuffix("Z")


def short(text: str) -> str:
    """``text`` no longer than anybody reads."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"


def _regions(count: int) -> str:
    return f"{count} region{'' if count == 1 else 's'}"
