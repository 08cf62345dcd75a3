"""A container's labels hold all of its release: what was run can be read back from what is there."""

from __future__ import annotations

import json
from collections.abc import Mapping

from du_node.secrets import Key
from du_node.state import Container, Route, Service


def slot_name(service: str, slot: str) -> str:
    """What the runtime calls the slot's container."""
    return f"du-{service}-{slot}"


def before_name(service: str) -> str:
    """What the runtime calls the container of the command that runs once before a release."""
    return f"du-{service}-before"


def name_of(container: Container) -> str:
    """What the runtime calls a container that is there."""
    return slot_name(container.service, container.slot)


LABELS = (
    *("du.service", "du.slot", "du.before", "du.release", "du.tag", "du.digest", "du.port", "du.config"),
    *("du.route", "du.times", "du.secrets"),
)
"""Every label that a container of ours may have; all have ``du.service``."""


def labels_of(service: Service, slot: str, port: int) -> dict[str, str]:
    """The labels of the slot's container."""
    return {
        **_common(service),
        "du.slot": slot,
        "du.release": service.release,
        "du.tag": service.tag,
        "du.digest": service.digest,
        "du.port": str(port),
        "du.config": service.config,
        "du.route": json.dumps([service.route.host, service.route.path, service.route.ready]),
        "du.times": f"{service.start_timeout} {service.stop_grace}",
    }


def before_labels(service: Service, attempt: str) -> dict[str, str]:
    """The labels of the container of the command that runs once before a release."""
    return {**_common(service), "du.before": attempt}


def _common(service: Service) -> dict[str, str]:
    named = {"du.service": service.name}
    return named | ({"du.secrets": json.dumps(service.secrets)} if service.secrets else {})


def secrets_of(labels: Mapping[str, str]) -> list[Key]:
    """The secrets that a container with these labels has mounted."""
    return [(labels["du.service"], name, mark) for name, mark in json.loads(labels.get("du.secrets") or "[]")]


def container_of(labels: Mapping[str, str], image: str, *, running: bool, exit_code: int = 0) -> Container:
    """The slot that a container with these labels is."""
    host, path, ready = json.loads(labels["du.route"])
    start, stop = map(int, labels["du.times"].split())
    return Container(
        service=labels["du.service"],
        slot=labels["du.slot"],
        running=running,
        port=int(labels["du.port"]),
        release=labels["du.release"],
        tag=labels["du.tag"],
        image=image,
        digest=labels["du.digest"],
        config=labels["du.config"],
        route=Route(host, path, ready),
        start_timeout=start,
        stop_grace=stop,
        exit_code=exit_code,
    )
