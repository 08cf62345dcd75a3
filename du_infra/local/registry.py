"""The local cloud's registry: Debian's docker-registry as our own process, on the bridge's address only."""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import time
from contextlib import AbstractContextManager
from pathlib import Path

from du_infra import paths
from du_infra.engines.daemon import Daemon
from du_infra.engines.lock import exclusive
from du_infra.engines.process import need, run
from du_infra.errors import EngineFailed, Refused
from du_infra.pool.lxd.site import HERE, Site
from du_infra.progress import Event, Reporter, silent

STAGE = "local registry"

_START_SECONDS = 15.0
_OTHER_START_SECONDS = 120.0  # a start can also stop one that does not answer, twice 30 s
_POLL_SECONDS = 0.05


def ensure(report: Reporter, site: Site = HERE) -> str:
    """Have the registry run; returns where this machine pushes to ("198.18.0.1:5000").

    Raises Refused when another process has its port, EngineFailed with its last words when it does not start.
    """
    daemon = _daemon(site)
    if not _runs(daemon, site):
        with _alone(report):  # two regions may come up at once
            if not _runs(daemon, site):
                _start(daemon, site, report)
    return site.registry


def answers(site: Site = HERE) -> bool:
    """Whether a registry answers there."""
    connection = http.client.HTTPConnection(site.registry, timeout=2)
    try:
        connection.request("GET", "/v2/")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def remove(site: Site = HERE) -> bool:
    """Stop the registry and delete what it holds; says whether it ran."""
    with _alone(silent):
        ran = _daemon(site).stop()
        shutil.rmtree(_folder(), ignore_errors=True)
    return ran


def _runs(daemon: Daemon, site: Site) -> bool:
    return answers(site) and daemon.find() is not None


def _start(daemon: Daemon, site: Site, report: Reporter) -> None:
    daemon.stop()
    _refuse_taken_port(site)
    report(Event("step", STAGE, f"starting on {site.registry}"))
    _write_config(site)
    process = daemon.start()
    deadline = time.monotonic() + _START_SECONDS
    while not answers(site):
        if process.poll() is not None or time.monotonic() > deadline:
            daemon.stop()
            raise EngineFailed("the registry does not start", where=site.registry, detail=daemon.last_words())
        time.sleep(_POLL_SECONDS)


def _alone(report: Reporter) -> AbstractContextManager[None]:
    return exclusive(paths.run() / "registry.lock", what=STAGE, report=report, wait=_OTHER_START_SECONDS)


def _daemon(site: Site) -> Daemon:
    argv = (need("docker-registry"), "serve", str(_config_file(site)))
    return Daemon(argv=argv, pid_file=paths.run() / "registry.pid", log=paths.data() / "registry.log")


def _folder() -> Path:
    return paths.data() / "registry"


def _config_file(site: Site) -> Path:
    return _folder() / f"config-{site.registry_port}.json"


def _write_config(site: Site) -> None:
    """The registry reads YAML, and JSON is YAML."""
    config = {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(_folder() / "data")}, "delete": {"enabled": True}},
        "http": {"addr": site.registry},
    }
    _folder().mkdir(parents=True, exist_ok=True)
    _config_file(site).write_text(json.dumps(config, indent=2), encoding="utf-8")


def _refuse_taken_port(site: Site) -> None:
    with socket.socket() as probe:
        probe.settimeout(2)
        if probe.connect_ex((site.gateway, site.registry_port)) != 0:
            return
    holder = run(["ss", "-Hltnp", f"sport = :{site.registry_port}"], what="see who has the registry's port")
    raise Refused(
        f"port {site.registry_port} is taken by another process",
        where=site.registry,
        todo="stop that process, or have it listen on another address, then run the same command again",
        detail=holder.decode(errors="replace").strip(),
    )
