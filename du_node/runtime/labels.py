"""A container's labels hold all of its release: what was run can be read back from what is there."""

from __future__ import annotations

import json
from collections.abc import Mapping

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


def labels_of(service: Service, slot: str, port: int) -> dict[str, str]:
    """The labels of the slot's container."""
    return {
        "du.service": service.name,
        "du.slot": slot,
        "du.release": service.release,
        "du.tag": service.tag,
        "du.digest": service.digest,
        "du.port": str(port),
        "du.config": service.config,
        "du.route": json.dumps([service.route.host, service.route.path, service.route.ready]),
        "du.times": f"{service.start_timeout} {service.stop_grace}",
    }


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
