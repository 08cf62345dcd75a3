"""A region's backups on this machine: ``.du/regions/NAME/backups``, for its owner alone, and never in Git.

Each is an archive as du-node makes it and a note about it beside, which is written last: what has none is not whole.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from du_infra.control.context import RegionContext
from du_infra.engines.private import write_private

NEWEST, DAYS = 5, 7
"""The newest so many are kept, and the last one of each of the last so many days that have one; first those that were
read back."""

ENDING = ".tar.gz"
_DAY_SECONDS = 86400


@dataclass(frozen=True)
class Kept:
    """One backup. ``made``: unix seconds, by this machine's clock. ``size``: bytes. ``verified``: it was read back."""

    name: str
    node: str
    version: str
    datastore: str
    made: float
    sha256: str
    size: int
    verified: bool = False


def folder_of(context: RegionContext) -> Path:
    """Where the region's backups are; there may be none yet."""
    return context.home / "backups"


def archive_of(context: RegionContext, name: str) -> Path:
    """The archive of one of them."""
    return folder_of(context) / f"{name}{ENDING}"


def kept(context: RegionContext) -> list[Kept]:
    """The backups of the region's cluster, the newest first.

    Those of a cluster that was there before this one, and what is not whole, do not count.
    """
    known = context.store.clusters.known(context.name) if context.is_begun else None
    found = [_noted(path) for path in folder_of(context).glob("*.json")] if known else []
    whole = [one for one in found if one and _size(archive_of(context, one.name)) == one.size]
    since = known.born if known else 0.0
    return sorted((one for one in whole if one.made >= since), key=lambda one: one.made, reverse=True)


def note(context: RegionContext, one: Kept) -> None:
    """Write down what is known of a backup, whose archive is there."""
    write_private(folder_of(context) / f"{one.name}.json", json.dumps(asdict(one), indent=2) + "\n")


def verified(context: RegionContext, one: Kept) -> Kept:
    """Write down that it was read back."""
    done = replace(one, verified=True)
    note(context, done)
    return done


def prune(context: RegionContext, now: float) -> list[str]:
    """Remove those that are not to be kept; returns their names. The note goes first: then it is none any more."""
    there = kept(context)
    gone = {one.name for one in there} - to_keep(there, now)
    for name in sorted(gone):
        (folder_of(context) / f"{name}.json").unlink(missing_ok=True)
        archive_of(context, name).unlink(missing_ok=True)
    _sweep(folder_of(context), now)
    return sorted(gone)


def _sweep(folder: Path, now: float) -> None:
    """Remove what a run that was killed left half done."""
    for path in (*folder.glob("*.coming"), *folder.glob("*.new"), *folder.glob(".reading-*")):
        if now - path.stat().st_mtime > _DAY_SECONDS:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def to_keep(there: Iterable[Kept], now: float) -> set[str]:
    """Names of the :data:`NEWEST`, of the last of each of :data:`DAYS` days, and of the very newest. Pure.

    One that was not read back, or has a time that is still to come, takes no other's place.
    """
    ordered = sorted(there, key=lambda one: one.made, reverse=True)
    sure = sorted(ordered, key=lambda one: not one.verified or one.made > now)
    keep = {one.name for one in sure[:NEWEST]} | {one.name for one in [one for one in ordered if one.made <= now][:1]}
    days: dict[int, str] = {}
    for one in sure:
        age = int(now // _DAY_SECONDS) - int(one.made // _DAY_SECONDS)
        if age < DAYS:
            days.setdefault(age, one.name)
    return keep | {*days.values()}


def _noted(path: Path) -> Kept | None:
    try:
        return Kept(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
