"""Waits until a slot is ready, and says in words why it is not."""

from __future__ import annotations

import time

from du_node import probe, runtime
from du_node.errors import NodeError
from du_node.runtime.driver import Runtime
from du_node.state import Container

PASSES = 3
_PROBE_SECONDS = 2.0
_LOG_SECONDS = 1.0
"""What a container writes reaches its log a moment later."""


def await_ready(container: Container, tool: Runtime, passes: int = PASSES) -> None:
    """Wait for ``passes`` good answers in a row, for the service's ``start_timeout`` at most.

    Raises NodeError not-ready with the last answer and the last log lines.
    """
    deadline = time.monotonic() + container.start_timeout
    passed, next_look = 0, time.monotonic() + 1.0
    answer = probe.Answer(why="was not asked")
    while time.monotonic() < deadline:
        answer = probe.get(container.port, container.route.ready, _PROBE_SECONDS)
        passed = passed + 1 if answer.ok else 0
        if passed >= passes:
            return
        if not answer.ok and time.monotonic() > next_look:
            _see_that_it_runs(container, tool)
            next_look = time.monotonic() + 2.0
        time.sleep(0.1)
    if answer.refused and (behind := tool.behind(container)):
        host, port = behind
        answer = probe.get(port, container.route.ready, _PROBE_SECONDS, host)
    raise not_ready(container, f"after {container.start_timeout} s {explain(container, answer)}")


def explain(container: Container, answer: probe.Answer) -> str:
    """A readiness answer in words."""
    path = container.route.ready
    if answer.refused:
        return "nothing listens on its port: is `port:` right?"
    if not answer.status:
        return f"{path} {answer.why}"
    if answer.status == 404:
        return f"{path} answers 404: is `ready:` right?"
    said = " ".join(answer.body.split())[:80]
    return f"{path} answers {answer.status}" + (f" ({said})" if said else "")


def not_ready(container: Container, why: str) -> NodeError:
    """The error that says so, with the end of the slot's log."""
    return NodeError(
        "not-ready",
        f"{container.service} {container.tag} did not become ready: {why}",
        todo="look at the log lines above; `ready`, `port` and `start_timeout` are set in fleet.yaml",
        detail=told_in_the_end(container),
        service=container.service,
    )


def told_in_the_end(container: Container) -> str:
    """The same as ``told_last``, where nobody waits: with what the slot wrote just now."""
    time.sleep(_LOG_SECONDS)
    return told_last(container)


def told_last(container: Container) -> str:
    """The end of the slot's log, with a heading."""
    log = runtime.chosen().last_lines(container.service, container.slot)
    return f"last log lines of {container.slot}:\n{log}" if log else "it wrote no log"


def _see_that_it_runs(container: Container, tool: Runtime) -> None:
    for found in tool.containers():
        if (found.service, found.slot) == (container.service, container.slot):
            if found.running:
                return
            raise not_ready(container, f"it ended by itself with exit code {found.exit_code}")
    raise not_ready(container, "its container is gone")
