"""What a node should run, as data. Pure: no I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from math import ceil
from types import MappingProxyType
from typing import Any

from du_infra.release.options import fast, way_in, way_of
from du_infra.release.state import Json
from du_infra.spec import ServiceSpec

_WANTED_VERSION = 1
_WAY = "way"
SIZE = "size_mb"
"""The image's size in the registry: a node looks whether it has room. No part of what a release is."""
ARCHITECTURES = "architectures"
"""Those that the image is made for: a node looks before it pulls. No part of what a release is."""
COPIES = "replicas"
"""The fewest and the most copies, where a cluster runs them. No part of what a release is."""
_BESIDE = ("rollout", SIZE, ARCHITECTURES, COPIES)


def digest_of(value: object) -> str:
    """The SHA-256 of a JSON value, in 64 hex digits; key order does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def release_of(name: str, service: ServiceSpec, digest: str, secrets: Mapping[str, str] = MappingProxyType({})) -> Json:
    """The immutable record of a service at one image digest with one set of settings.

    ``digest`` is the image's ("sha256:…"), ``secrets`` maps names to fingerprints. The release's id is the tag, for
    people, and eight hex digits of the hash of everything else: the same content is the same release, wherever and
    whenever it is made. ``way``, how it goes live, is kept beside it and is no part of the id.
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
    release = f"{service.tag}-{digest_of(settings)[:8]}"
    return {**settings, "tag": service.tag, "release": release, _WAY: way_of(service)}


def content_of(record: Mapping[str, Any]) -> Json:
    """What a release is: its record without the way it went live."""
    return {key: value for key, value in record.items() if key != _WAY}


def entry_of(record: Mapping[str, Any], rollout: Mapping[str, Any] | None = None) -> Json:
    """A service in a node's wanted state; without ``rollout`` it goes live the fast way, nothing observed."""
    way = way_in(record)
    chosen = fast(way)["rollout"] if rollout is None else rollout
    copies = {COPIES: way[COPIES]} if COPIES in way else {}
    return {**content_of(record), **copies, "rollout": dict(chosen)}


def wanted_of(fleet: str, region: str, entries: Sequence[Mapping[str, Any]]) -> Json:
    """What a node is asked for: ``entries`` as :func:`entry_of` makes them.

    ``config`` is the hash of all of it but the rollouts: it says where a node should arrive, not on which way.
    """
    services = sorted((dict(entry) for entry in entries), key=lambda entry: str(entry["name"]))
    head: Json = {"version": _WANTED_VERSION, "fleet": fleet, "region": region}
    aims = [{key: value for key, value in service.items() if key not in _BESIDE} for service in services]
    return {**head, "services": services, "config": digest_of({**head, "services": aims})[:16]}
