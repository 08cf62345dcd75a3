"""Reads the wanted state that the controller sends (JSON), and refuses what a node should not be given."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from du_node import rollout
from du_node.errors import NodeError
from du_node.fields import PATH, get, guard, match, number, pairs, within
from du_node.safe import safe
from du_node.state import Route, Service, Wanted

VERSION = 1
MOST_COPIES = 1000
"""In a cluster; du-infra asks for far fewer."""
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9.:_/-]*@sha256:[0-9a-f]{64}")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
# An awkward value goes through nerdctl's own environment, where these would change what nerdctl does.
_NERDCTLS_OWN = re.compile(
    r"PATH$|HOME$|TMPDIR$|LD_|LC_|CONTAINERD_|NERDCTL_|DOCKER_|CNI_|NETCONFPATH$|XDG_|GO|BUILDKIT_|(?i:\w+_proxy$)"
)
_LONGEST_LINE = 60000
_VOLUME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}")
# No colon and no comma: both divide the parts of a mount on a command line.
_FOLDER = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._@+-]+)+")
SECRET = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
FINGERPRINT = re.compile(r"[0-9a-f]{8,64}")


def parse(text: str) -> Wanted:
    """The wanted state in ``text``; raises NodeError bad-wanted that names the field."""
    try:
        data = json.loads(text)
    except ValueError as bad:
        raise NodeError("bad-wanted", f"the wanted state is not JSON: {bad}") from bad
    if not isinstance(data, dict) or data.get("version") != VERSION:
        raise NodeError(
            "bad-wanted",
            f"the wanted state must be an object with version {VERSION}",
            todo="use the du-node that came with this du-infra",
        )
    fields = {key: get(data, key, str, key) for key in ("fleet", "region", "node", "config")}
    services = tuple(_service(item, n) for n, item in enumerate(get(data, "services", list, "services")))
    _no_twins(services)
    return Wanted(**fields, services=services)


def parse_service(data: object) -> Service:
    """One service, as it stands among those of a wanted state. Raises NodeError bad-wanted that names the field."""
    return _service(data, 0)


def _service(data: object, place: int) -> Service:
    where = f"services[{place}]"
    if not isinstance(data, dict):
        raise NodeError("bad-wanted", f"{where} must be an object")
    name = guard(where, lambda: safe("service", get(data, "name", str, where)))
    where = f"service {name}"
    service = Service(
        name=name,
        release=guard(where, lambda: safe("release", get(data, "release", str, where))),
        tag=match(data, "tag", _TAG, where),
        image=match(data, "image", _IMAGE, where),
        digest=get(data, "digest", str, where),
        port=within(data, "port", where, 1, 65535),
        route=guard(where, lambda: _route(data, where)),
        env=_env(get(data, "env", dict, where, {}), where),
        command=_strings(get(data, "command", list, where, []), where),
        memory_mb=within(data, "memory_mb", where, 0, 1 << 20, 0),
        start_timeout=within(data, "start_timeout", where, 1, 3600, 60),
        stop_grace=within(data, "stop_grace", where, 0, 3600, 10),
        size_mb=within(data, "size_mb", where, 0, 1 << 20, 0),
        architectures=_strings(get(data, "architectures", list, where, []), where),
        cpus=number(data, "cpus", where, 0, 1024, 0.0),
        volumes=pairs(data, "volumes", _VOLUME, _FOLDER, where),
        secrets=pairs(data, "secrets", SECRET, FINGERPRINT, where),
        copies=_copies(get(data, "replicas", dict, where, {}), where),
        rollout=rollout.parse(get(data, "rollout", dict, where, {}), where),
    )
    if not service.image.endswith("@" + service.digest):
        raise NodeError("bad-wanted", f"{where}: image does not end in its digest", service=name)
    return replace(service, config=config_hash(service))


def is_awkward(value: str) -> bool:
    """Whether an env file cannot carry the value: nerdctl reads it line by line and trims the lines."""
    return "\n" in value or "\r" in value or value != value.rstrip() or len(value) > _LONGEST_LINE


def config_hash(service: Service) -> str:
    """A hash of everything the container and its route are made of; environment values cannot be read from it.

    What came later counts only where it is set, so that a release keeps its hash. The rollout and the number of copies
    are no part of it.
    """
    parts: list[object] = [service.image, service.port, service.route.key, service.route.ready]
    parts += [sorted(service.env), service.command, service.memory_mb, service.stop_grace]
    later = {"cpus": service.cpus, "volumes": service.volumes, "secrets": service.secrets}
    parts += [[name, value] for name, value in later.items() if value]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _route(data: Mapping[str, Any], where: str) -> Route:
    path = get(data, "path", str, where, "/").rstrip("/") or "/"
    host = (get(data, "host", str, where, "") or "").lower()
    return Route(safe("host", host), safe("path", path), match(data, "ready", PATH, where, "/readyz"))


def _env(data: Mapping[str, Any], where: str) -> tuple[tuple[str, str], ...]:
    for key, value in data.items():
        if not _ENV_NAME.fullmatch(key) or not isinstance(value, str) or "\0" in value:
            raise NodeError("bad-wanted", f"{where}: env {key!r} is not a name with a text value")
        if is_awkward(value) and _NERDCTLS_OWN.match(key):
            raise NodeError("bad-wanted", f"{where}: env {key} cannot have a line break or blanks at its end")
    return tuple(sorted(data.items()))


def _copies(data: Mapping[str, Any], where: str) -> tuple[int, int]:
    least = within(data, "min", f"{where}: replicas", 1, MOST_COPIES, 1)
    return least, within(data, "max", f"{where}: replicas", least, MOST_COPIES, least)


def _strings(data: list[Any], where: str) -> tuple[str, ...]:
    if not all(isinstance(part, str) and "\0" not in part for part in data):
        raise NodeError("bad-wanted", f"{where}: command must be a list of texts")
    return tuple(data)


def _no_twins(services: tuple[Service, ...]) -> None:
    by_name = [service.name for service in services]
    by_place = [f"{service.route.host or 'any host'}{service.route.path}" for service in services]
    for what, keys in (("name", by_name), ("host and path", by_place)):
        twins = sorted({key for key in keys if keys.count(key) > 1})
        if twins:
            raise NodeError("bad-wanted", f"two services have the same {what}: {', '.join(twins)}")
