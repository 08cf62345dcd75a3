"""What is worth telling, as plain data: from decisions of the loop, and from releases as the store has them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from du_infra.seeing.state import ReleaseSeen

_NO_NEWS = {"busy", "share"}
"""That somebody else is at work, or minds a region, is no news to anybody."""
FIRST_LOOK = ""
"""The mark under this name says that a region's releases were looked at before."""

_EVENTS = {"running": "begun"}


@dataclass(frozen=True)
class Note:
    """One thing that happened. ``kind`` is one of a hook's kinds; ``subject`` a node or a service, "" for neither."""

    kind: str
    event: str
    region: str
    subject: str
    why: str

    @property
    def text(self) -> str:
        """The whole in one sentence, for people."""
        place = ", ".join(part for part in (self.region, self.subject) if part)
        return f"{place + ': ' if place else ''}{self.event}: {self.why}"


@dataclass(frozen=True)
class News:
    """What is new of a service's releases: ``notes``, and the mark that says so in the place of ``before``."""

    service: str
    before: str
    mark: str
    notes: tuple[Note, ...] = ()


def of_decision(region: str, kind: str, about: str, node: str, text: str) -> Note | None:
    """A decision of the loop; None where it is no news."""
    return None if kind in _NO_NEWS else Note(about, kind, region, node, text)


def of_releases(region: str, releases: Sequence[ReleaseSeen], marks: Mapping[str, str]) -> Iterator[News]:
    """What is new since ``marks`` were set; ``releases`` are the newest, the newest first.

    At the first look at a region nothing is news: everything may be years old.
    """
    first = FIRST_LOOK not in marks
    if first:
        yield News(FIRST_LOOK, "", "seen")
    by_service: dict[str, list[ReleaseSeen]] = {}
    for one in releases:
        by_service.setdefault(one.service, []).append(one)
    for service, found in by_service.items():
        before, mark = marks.get(service, ""), _mark(found[0])
        if mark != before:
            fresh = [] if first else [one for one in reversed(found) if _new(one, before)]
            yield News(service, before, mark, tuple(_note(region, one) for one in fresh))


def _mark(release: ReleaseSeen) -> str:
    return f"{release.id} {release.state}"


def _new(release: ReleaseSeen, before: str) -> bool:
    number, _, state = before.partition(" ")
    return release.id > int(number or 0) or (release.id == int(number or 0) and release.state != state)


def _note(region: str, release: ReleaseSeen) -> Note:
    instead = f", in place of {release.previous}" if release.previous else ""
    because = f": {release.why}" if release.why else ""
    words = f"{release.kind} of {release.release}{instead}, by {release.actor}{because}"
    return Note("release", _EVENTS.get(release.state, release.state), region, release.service, words)
