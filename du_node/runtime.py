"""Containers and images, by nerdctl (2.x) on containerd. An adapter: it decides nothing.

Everything of ours lives in containerd's namespace ``du``, so that a container of somebody else is never seen and
never touched. A container writes its log to a file through containerd's shim: nerdctl's own loggers take a process
of 27 MB for each container.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from du_node import places
from du_node.command import Done, run
from du_node.errors import NodeError
from du_node.state import Container, Route, Service
from du_node.wanted import is_awkward

_NERDCTL = ("nerdctl", "--namespace", "du")
_ROW = "{{json .Names}}\t{{json .Image}}\t{{json .Status}}\t{{json .LabelsMap}}"
_PULL_TIMEOUT = 900
_CONTAINERD = "/run/containerd/containerd.sock"


class Runtime:
    """nerdctl. ``lock`` is a descriptor that its processes inherit, so that our lock outlives us until they end."""

    def __init__(self, lock: int | None = None) -> None:
        self._keep = () if lock is None else (lock,)

    def containers(self) -> tuple[Container, ...]:
        """Every slot that has a container, running or not."""
        out = self._must("ps", "--all", "--no-trunc", "--format", _ROW)
        rows = [[json.loads(cell) for cell in line.split("\t", 3)] for line in out.splitlines() if line]
        return tuple(_container(row) for row in rows if (row[3] or {}).get("du.service"))

    def images(self) -> frozenset[str]:
        """The references of all images."""
        return frozenset(self._must("image", "ls", "--format", "{{.Name}}").split())

    def pull(self, service: Service) -> None:
        """Fetch the image. Raises NodeError registry, image or no-room."""
        done = self._run("pull", "--quiet", service.image, timeout=_PULL_TIMEOUT)
        if done.code:
            raise pull_error(service, done.err)

    def start_new(self, service: Service, slot: str, port: int) -> None:
        """Make and start the slot's container."""
        log = fresh_log(service.name, slot)
        awkward = {name: value for name, value in service.env if is_awkward(value)}
        with _SecretFile([(n, v) for n, v in service.env if n not in awkward]) as env_file:
            arguments = run_arguments(service, slot, port, log, env_file)
            done = self._run(*arguments, keep=[env_file], more_env=awkward)
        if done.code:
            raise _tool_error(f"{service.name} could not be started", done, service.name)

    def start(self, container: Container) -> None:
        """Start a stopped container; its network is made anew."""
        self._must("start", container_name(container))

    def restart(self, container: Container) -> None:
        """Stop with grace, then start."""
        self._must("restart", "--time", str(container.stop_grace), container_name(container), timeout=120)

    def stop(self, container: Container) -> None:
        """SIGTERM, and SIGKILL after the grace period."""
        grace = str(container.stop_grace)
        self._must("stop", "--time", grace, container_name(container), timeout=container.stop_grace + 60)

    def remove(self, container: Container) -> None:
        """Remove the container, running or not; none there is as good."""
        self.remove_name(container_name(container))

    def remove_name(self, name: str) -> None:
        """Remove by name."""
        done = self._run("rm", "--force", "--volumes", name)
        if done.code and "no such container" not in done.err.lower():
            raise _tool_error(f"{name} could not be removed", done)

    def remove_image(self, image: str) -> None:
        """Remove an image that nothing uses."""
        done = self._run("rmi", image)
        if done.code and "no such image" not in done.err.lower():
            raise _tool_error(f"image {image} could not be removed", done)

    def _run(
        self,
        *arguments: str,
        timeout: float = 60,
        keep: Sequence[int] = (),
        more_env: Mapping[str, str] | None = None,
    ) -> Done:
        argv = [*_NERDCTL, *arguments]
        return run(argv, timeout=timeout, keep=[*self._keep, *keep], more_env=more_env or {})

    def _must(self, *arguments: str, timeout: float = 60) -> str:
        done = self._run(*arguments, timeout=timeout)
        if done.code:
            raise _tool_error(f"`nerdctl {arguments[0]}` failed", done)
        return done.out


def ensure_containerd(patience: float = 15.0) -> None:
    """Have containerd started if it does not answer, and wait for it. Raises NodeError tool.

    ``restart``, because systemd refuses to ``start`` a service that waits for its own restart (5 s for Debian's).
    """
    deadline = time.monotonic() + patience
    if not _answers(_CONTAINERD):
        run(["systemctl", "restart", "containerd"])
    while not _answers(_CONTAINERD):
        if time.monotonic() > deadline:
            raise NodeError("tool", "containerd does not answer", todo="see `journalctl -u containerd` on the node")
        time.sleep(0.1)


def _answers(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(1.0)
        return link.connect_ex(address) == 0


def container_name(container: Container) -> str:
    """What nerdctl calls the slot's container."""
    return f"du-{container.service}-{container.slot}"


def run_arguments(service: Service, slot: str, port: int, log: Path, env_file: int) -> list[str]:
    """nerdctl's arguments that make the container. No environment value is among them.

    They are in ``env_file``; one that such a file cannot carry nerdctl takes from its own environment.
    """
    labels = {
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
    arguments = ["run", "--detach", "--pull", "never", "--name", f"du-{service.name}-{slot}"]
    arguments += [word for key, value in labels.items() for word in ("--label", f"{key}={value}")]
    arguments += ["--publish", f"127.0.0.1:{port}:{service.port}", "--log-driver", f"file://{log}"]
    arguments += ["--env-file", f"/dev/fd/{env_file}"] if service.env else []
    arguments += [word for name, value in service.env if is_awkward(value) for word in ("--env", name)]
    if service.memory_mb:
        arguments += ["--memory", f"{service.memory_mb}m"]
    return [*arguments, service.image, *service.command]


def fresh_log(service: str, slot: str) -> Path:
    """The slot's log file, empty; the one before is kept as ``.1``."""
    folder = Path(places.LOGS)
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    log = folder / f"{service}-{slot}.log"
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    return log


def last_lines(container: Container, count: int = 20) -> str:
    """The end of the slot's log."""
    log = Path(places.LOGS, f"{container.service}-{container.slot}.log")
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 16384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-count:])


def pull_error(service: Service, words: str) -> NodeError:
    """Which kind of trouble a failed pull is, by containerd's words."""
    low = words.lower()
    registry = service.image.partition("/")[0]
    detail = _tail(words)
    if "no space left" in low or "disk quota" in low:
        return NodeError(
            "no-room",
            f"the disk filled up while pulling {service.name}",
            todo="free some disk on the node",
            detail=detail,
            service=service.name,
        )
    if any(word in low for word in ("dial tcp", "no such host", "i/o timeout", "connection re", "tls handshake")):
        return NodeError(
            "registry",
            f"registry {registry} does not answer",
            todo=f"see that {registry} runs and that the node reaches it",
            detail=detail,
            service=service.name,
        )
    if "not found" in low or "manifest unknown" in low:
        what = f"registry {registry} has no image {service.name} {service.tag} with digest {service.digest[:19]}…"
        return NodeError("image", what, todo="push the image again", detail=detail, service=service.name)
    if any(word in low for word in ("401", "403", "unauthorized", "authorization failed", "denied")):
        what = f"registry {registry} does not let the node pull {service.name}"
        return NodeError("image", what, todo="give the node a login", detail=detail, service=service.name)
    return NodeError("image", f"{service.name} could not be pulled", detail=detail, service=service.name)


class _SecretFile:
    """NAME=value lines in memory only: nothing to clean up, nothing for other users or a backup to find."""

    def __init__(self, env: Sequence[tuple[str, str]]) -> None:
        self._text = "".join(f"{name}={value}\n" for name, value in env)

    def __enter__(self) -> int:
        self._file = os.memfd_create("du-env")
        os.write(self._file, self._text.encode())
        return self._file

    def __exit__(self, *_: object) -> None:
        os.close(self._file)


def _container(row: Sequence[Any]) -> Container:
    _, image, status, labels = row
    host, path, ready = json.loads(labels["du.route"])
    start, stop = _numbers(labels)
    return Container(
        service=labels["du.service"],
        slot=labels["du.slot"],
        running=status.startswith("Up"),
        port=int(labels["du.port"]),
        release=labels["du.release"],
        tag=labels["du.tag"],
        image=image,
        digest=labels["du.digest"],
        config=labels["du.config"],
        route=Route(host, path, ready),
        start_timeout=start,
        stop_grace=stop,
        exit_code=_exit_code(status),
    )


def _numbers(labels: Mapping[str, str]) -> tuple[int, int]:
    start, stop = labels["du.times"].split()
    return int(start), int(stop)


def _exit_code(status: str) -> int:
    """From nerdctl's words: "Exited (3) 2 seconds ago"."""
    code = status.partition("(")[2].partition(")")[0]
    return int(code) if status.startswith("Exited") and code.isdigit() else 0


def _tool_error(what: str, done: Done, service: str = "") -> NodeError:
    low = done.err.lower()
    if "no space left" in low:
        return NodeError("no-room", f"{what}: the disk is full", detail=_tail(done.err), service=service)
    if "containerd.sock" in low or "cannot access containerd" in low:
        return NodeError(
            "tool",
            "containerd does not answer",
            todo="see `journalctl -u containerd` on the node",
            detail=_tail(done.err),
            service=service,
        )
    return NodeError("tool", what, detail=_tail(done.err), service=service)


def _tail(words: str, lines: int = 5) -> str:
    told = [line for line in words.strip().splitlines() if "level=info" not in line]
    return "\n".join(told[-lines:])[-2000:]
