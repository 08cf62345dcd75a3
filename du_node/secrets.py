"""The secrets of services on this node: one file for each value, named by its fingerprint, for root alone.

A container sees a bind mount of the file, or of a copy that belongs to the user the image names. The values come
through standard input and leave by no other way than these files.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from du_node import files, places
from du_node.errors import NodeError
from du_node.fields import match
from du_node.safe import safe
from du_node.wanted import FINGERPRINT, SECRET

Key = tuple[str, str, str]
"""Service, name of the secret, fingerprint of its value."""

_MOST_BYTES = 64 << 10
_COPY = re.compile(r".+\.[0-9a-f]{8,64}\.[0-9]{1,10}")


def keep(order: str) -> int:
    """Write the values of ``order``, JSON {service: {NAME: {"fingerprint", "value"}}}; how many were new.

    An item without a value must be here already. Raises NodeError bad-wanted, no-room, or secret when it is not.
    """
    items = list(_items(order))
    with _alone():
        missing = [key for key, value in items if value is None and not path_of(key).exists()]
        if missing:
            raise absent(missing[0])
        there = [path_of(key) for key, _ in items if path_of(key).exists()]
        for path in there:
            os.utime(path)  # asked for again: an apply that is at work now leaves it
        fresh = [(path_of(key), value) for key, value in items if path_of(key) not in there]
        for path, value in fresh:
            _folder(path.parent)
            files.write(str(path), value or "")
    return len(fresh)


def path_of(key: Key, owner: int = 0) -> Path:
    """The file of a value; that of root, or the copy for the user ``owner``."""
    service, name, fingerprint = key
    return Path(places.SECRETS, service, f"{name}.{fingerprint}" + (f".{owner}" if owner else ""))


def for_owner(key: Key, uid: int, gid: int) -> Path:
    """The file that a container of this user can read. Raises NodeError secret when the value is not on this node."""
    source = path_of(key)
    if not source.exists():
        raise absent(key)
    if uid == 0:
        return source
    copy = path_of(key, uid)
    if not copy.exists():
        making = copy.with_name(f".{copy.name}.{os.getpid()}")
        files.write(str(making), source.read_bytes().decode())
        os.chown(making, uid, gid)
        making.replace(copy)
    return copy


def there() -> dict[Path, int]:
    """What is here now, and when it was last sent (nanoseconds, of use only to see that it was sent again)."""
    with _alone():
        return {path: path.stat().st_mtime_ns for path in Path(places.SECRETS).glob("*/*")}


def clean(used: Iterable[Key], before: Mapping[Path, int]) -> None:
    """Remove every file that is of none of these; but not what was sent since ``before`` (see ``there``).

    That is for a later order: another service's release may send its values while an apply is at work.
    """
    with _alone():
        found = list(Path(places.SECRETS).glob("*/*"))
        sent = [p for p in found if before.get(p) != p.stat().st_mtime_ns and not _COPY.fullmatch(p.name)]
        kept = {(path.parent.name, path.name) for path in (*map(path_of, used), *sent)}
        for path in found:
            if (path.parent.name, path.name) not in kept and not _is_copy_of(path, kept):
                path.unlink(missing_ok=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else keeps or removes values meanwhile."""
    Path(places.SECRETS).mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(places.SECRETS, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def absent(key: Key) -> NodeError:
    """The error for a value that is not on this node."""
    service, name, _ = key
    return NodeError(
        "secret",
        f"the value of {service}'s secret {name} for this release is not on this node",
        todo=f"have services.{service}.secrets.{name} give the value it had then, or release with the one it has now",
        service=service,
    )


def _is_copy_of(path: Path, kept: set[tuple[str, str]]) -> bool:
    """Whether the name is that of a kept file and a user's number behind it."""
    return bool(_COPY.fullmatch(path.name)) and (path.parent.name, path.name.rpartition(".")[0]) in kept


def _items(order: str) -> Iterable[tuple[Key, str | None]]:
    try:
        data = json.loads(order)
    except ValueError:  # its words would show a part of the text
        data = None
    for service, own in _object(data, "the order").items():
        safe("service", service)
        for name, item in _object(own, service).items():
            if not SECRET.fullmatch(name):
                raise NodeError("bad-wanted", f"secrets of {service}: {name!r:.60} cannot be a name")
            item = _object(item, name)
            yield (service, name, match(item, "fingerprint", FINGERPRINT, f"secret {name}")), _value(item, name)


def _object(found: object, where: str) -> Mapping[str, Any]:
    """``found`` if it is an object; the error does not show it."""
    if not isinstance(found, dict):
        raise NodeError("bad-wanted", f"secrets: {where:.60} must be an object")
    return found


def _value(item: Mapping[str, Any], name: str) -> str | None:
    value = item.get("value")
    if value is not None and not (isinstance(value, str) and 0 < len(value.encode()) <= _MOST_BYTES):
        raise NodeError("bad-wanted", f"secret {name}: its value must be a text of 1 to {_MOST_BYTES} bytes")
    return value


def _folder(path: Path) -> None:
    for folder in (path.parent, path):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
