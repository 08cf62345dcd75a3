"""What a node should run, as data. Pure: no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from math import ceil
from types import MappingProxyType
from typing import Any, TypeAlias

from du_infra.spec import ServiceSpec

Json: TypeAlias = dict[str, Any]

_WANTED_VERSION = 1


def digest_of(value: object) -> str:
    """The SHA-256 of a JSON value, in 64 hex digits; key order does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def release_of(name: str, service: ServiceSpec, digest: str, secrets: Mapping[str, str] = MappingProxyType({})) -> Json:
    """The immutable record of a service at one image digest with one set of settings.

    ``digest`` is the image's ("sha256:…"), ``secrets`` maps names to fingerprints. The release's id is the tag, for
    people, and eight hex digits of the hash of everything else: the same content is the same release, wherever and
    whenever it is made.
    """
    settings: Json = {
        "name": name,
        "image": f"{service.image}@{digest}",
        "digest": digest,
        "port": service.port,
        "ready": service.ready,
        "host": service.host,
        "path": service.path,
        "env": dict(service.env),
        "command": list(service.command),
        "memory_mb": service.memory_mb,
        "start_timeout": ceil(service.start_timeout.seconds),
        "stop_grace": ceil(service.stop_grace.seconds),
    }
    # These came later, and stand here only where they are set: a release keeps the id it had before.
    later: Json = {"cpus": service.cpus, "volumes": dict(service.volumes), "secrets": dict(secrets)}
    settings |= {key: value for key, value in later.items() if value}
    return {**settings, "tag": service.tag, "release": f"{service.tag}-{digest_of(settings)[:8]}"}


def wanted_of(fleet: str, region: str, releases: Sequence[Mapping[str, Any]]) -> Json:
    """What every node of a region is asked for; ``config`` is the hash of all of it."""
    wanted: Json = {
        "version": _WANTED_VERSION,
        "fleet": fleet,
        "region": region,
        "services": [dict(release) for release in releases],
    }
    return {**wanted, "config": digest_of(wanted)[:16]}
