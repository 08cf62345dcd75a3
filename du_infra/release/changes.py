"""What differs between two releases, in words for a person. Values of variables are never told. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from du_infra.release.plan import ARCHITECTURES, SIZE, content_of

_SILENT = ("name", "image", "release", "tag", "digest", SIZE, ARCHITECTURES)
_NAMED = ("env", "secrets")
_UNITS = {"memory_mb": " MB", "start_timeout": " s", "stop_grace": " s"}


def changes(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[str]:
    """One line for each difference; the image first. ``old`` None: nothing ran before."""
    return list(_changes(old, content_of(new))) if old else [f"image {short(new['digest'])}, first release"]


def short(digest: str) -> str:
    """The first 12 digits of an image's digest."""
    return digest.partition(":")[2][:12]


def _changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    if _repository(old) != _repository(new):
        yield f"image {_repository(old)} → {_repository(new)}"
    if old["digest"] != new["digest"]:
        yield f"image {short(old['digest'])} → {short(new['digest'])}"
    for key in sorted({*content_of(old), *new} - {*_SILENT}):
        before, after = old.get(key) or None, new.get(key) or None
        if before == after:
            continue
        if key in _NAMED:
            yield from _names(key, before or {}, after or {})
        elif key == "command":
            yield "command changed"
        else:
            yield f"{key} {_shown(key, before)} → {_shown(key, after)}"


def _names(key: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        if name not in old:
            yield f"{key} {name} added"
        elif name not in new:
            yield f"{key} {name} removed"
        elif old[name] != new[name]:
            yield f"{key} {name} changed"


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}:{inner}" for name, inner in value.items())
    return f"{value}{_UNITS.get(key, '')}"


def _repository(record: Mapping[str, Any]) -> str:
    return str(record["image"]).partition("@")[0]
