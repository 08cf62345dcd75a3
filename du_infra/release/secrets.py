"""Secrets of services: read from where fleet.yaml says, known to everybody else by a fingerprint only.

How a release uses this:

1. ``secrets = read_secrets(services, folder)`` when the release starts (a status needs none of it);
2. ``release_of(..., secrets=secrets.fingerprints[name])``: the record and the wanted state hold fingerprints;
3. ``control.secrets.send_secrets(target, wanted, secrets)`` before ``du-node apply`` (and before ``du-node before``).

A value is never in a record, an argument, a log or an exception.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets as random
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from du_infra.errors import DuError, Refused, SpecError
from du_infra.spec import ServiceSpec
from du_infra.spec.container import SecretSource

MAX_BYTES = 64 << 10
KEY = Path(".du/keys/fingerprint")

_DIGITS = 16


@dataclass(frozen=True)
class Secrets:
    """Values and fingerprints by service, then by name. Only the fingerprints may be kept or shown."""

    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    fingerprints: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_secrets(services: Mapping[str, ServiceSpec], folder: Path) -> Secrets:
    """The secrets of ``services``; ``folder`` is where fleet.yaml stands.

    Every service has an entry, if an empty one. Raises SpecError, which names every source that is missing, empty or no
    text, and Refused when a file may be read by other users.
    """
    values, wrong = _read(services, folder)
    if wrong:
        raise _together(wrong)
    return _marked(values, folder)


def readable_secrets(services: Mapping[str, ServiceSpec], folder: Path) -> Secrets:
    """The same without those that cannot be read: for the way back, where the nodes have what they need."""
    return _marked(_read(services, folder)[0], folder)


def fingerprint(key: bytes, service: str, name: str, value: str) -> str:
    """16 hex digits that change with the value, and tell nothing about it without ``key``."""
    text = "\0".join((service, name, value))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()[:_DIGITS]


def fingerprint_key(folder: Path) -> bytes:
    """The fleet's random key, made when first asked for. Of several who make it at once, the first one counts."""
    path = folder / KEY
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        making = path.with_name(f".fingerprint.{os.getpid()}.making")
        making.unlink(missing_ok=True)
        with open(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
            file.write(random.token_hex(32) + "\n")
        try:
            path.hardlink_to(making)
        except FileExistsError:
            pass
        finally:
            making.unlink()
    return path.read_bytes().strip()


def order_of(wanted: Mapping[str, Any], secrets: Secrets) -> dict[str, dict[str, dict[str, str]]]:
    """What ``du-node secrets`` reads: {service: {NAME: {"fingerprint", "value"}}} for a wanted state.

    A release of the past may want another value than its source has now. Then there is no "value", and the node must
    still have it.
    """
    order: dict[str, dict[str, dict[str, str]]] = {}
    for release in wanted["services"]:
        service = release["name"]
        have, values = secrets.fingerprints.get(service, {}), secrets.values.get(service, {})
        for name, mark in (release.get("secrets") or {}).items():
            item = {"fingerprint": mark}
            if have.get(name) == mark:
                item["value"] = values[name]
            order.setdefault(service, {})[name] = item
    return order


def _read(services: Mapping[str, ServiceSpec], folder: Path) -> tuple[dict[str, dict[str, str]], list[DuError]]:
    """The values by service and name, and what is wrong with the others."""
    values: dict[str, dict[str, str]] = {name: {} for name in services}
    wrong: list[DuError] = []
    for service, spec in services.items():
        for name, source in spec.secrets.items():
            try:
                values[service][name] = read_source(f"services.{service}.secrets.{name}", source, folder)
            except DuError as error:
                wrong.append(error)
    return values, wrong


def _marked(values: Mapping[str, Mapping[str, str]], folder: Path) -> Secrets:
    key = fingerprint_key(folder) if any(values.values()) else b""
    return Secrets(values, {s: {n: fingerprint(key, s, n, v) for n, v in own.items()} for s, own in values.items()})


def read_source(where: str, source: SecretSource, folder: Path) -> str:
    """The value that a source of fleet.yaml has now, not empty; ``where`` names the source in errors.

    Raises SpecError when it is missing, empty or no text, and Refused when a file may be read by other users.
    """
    if source.env is not None:
        found = os.environ.get(source.env)
        if found is None:
            raise SpecError(f"the variable {source.env} is not set", where=where, todo="set it for this command")
        raw = os.fsencode(found)
    else:
        raw = _file(where, folder / str(source.file))
    return _text(where, raw)


def _file(where: str, path: Path) -> bytes:
    """The file's content. It is looked at after it was opened, so that nobody can put another in its place between."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077:
                what = f"other users may read {path}"
                raise Refused(what, where=where, todo=f"chmod 600 {path}")
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}", where=where, todo="see `file:` there") from error


def _text(where: str, raw: bytes) -> str:
    if not raw:
        raise SpecError("the value is empty", where=where, todo="put the value where `file:` or `env:` says")
    if len(raw) > MAX_BYTES:
        raise SpecError(f"the value is longer than {MAX_BYTES >> 10} KiB", where=where, todo="use a volume for it")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        todo = "encode it, as base64 for instance, and decode it in the service"
        raise SpecError("the value is not text in UTF-8", where=where, todo=todo) from None


def _together(wrong: list[DuError]) -> DuError:
    if len(wrong) == 1:
        return wrong[0]
    kind = SpecError if any(isinstance(error, SpecError) for error in wrong) else Refused
    lines = [f"{error.where}: {error.what}; {error.todo}" for error in wrong]
    return kind(f"{len(wrong)} secrets cannot be read", detail="\n".join(lines), todo="mend them, then run it again")
