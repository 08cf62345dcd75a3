"""Has a new slot do its first work before anybody else asks it to."""

from __future__ import annotations

from du_node import probe
from du_node.errors import NodeError
from du_node.readiness import told_in_the_end
from du_node.state import Container

REQUESTS = 10
_SECONDS = 10.0


def warm_up(container: Container, path: str) -> None:
    """GET ``path`` from the slot ten times. Raises NodeError not-ready at the first answer that is no 2xx or 3xx."""
    for _ in range(REQUESTS):
        answer = probe.get(container.port, path, _SECONDS)
        if not 200 <= answer.status < 400:
            said = f"answers {answer.status}" if answer.status else answer.why
            raise NodeError(
                "not-ready",
                f"{container.service} {container.tag} cannot be warmed up: {path} {said}",
                todo="look at the log lines above; `release: {warm_up: …}` is set in fleet.yaml",
                detail=told_in_the_end(container),
                service=container.service,
            )
