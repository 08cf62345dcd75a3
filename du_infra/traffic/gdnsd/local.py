"""gdnsd as a background process of this machine: no unit, no root, any port above 1023."""

from __future__ import annotations

import time
from pathlib import Path

from du_infra.engines.daemon import Daemon
from du_infra.engines.process import run, tail
from du_infra.errors import EngineFailed, NotReady
from du_infra.traffic.gdnsd.setup import Server
from du_infra.traffic.where import joined

_START_SECONDS = 20.0
_POLL = 0.05


def here(folder: Path, address: str = "127.0.0.1", port: int = 53, name: str = "here") -> Server:
    """A server of this machine whose files, sockets and state all lie in ``folder``."""
    at = joined(address, port)
    return Server(name, (at,), at, folder / "etc", folder / "run", folder / "state")


def start(server: Server) -> bool:
    """Start it with what ``write`` has brought, if it does not run; says whether it was started.

    It is not ended with us. Raises ToolMissing without gdnsd, NotReady with gdnsd's last words.
    """
    if runs(server):
        return False
    for folder in (server.run_dir, server.state_dir):
        folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    log, pid_file = server.state_dir / "gdnsd.log", server.run_dir / "started.pid"
    process = Daemon(["gdnsd", "-c", _current(server), "start"], pid_file, log).start()
    deadline = time.monotonic() + _START_SECONDS
    while not runs(server):
        if process.poll() is not None or time.monotonic() > deadline:
            raise NotReady("gdnsd did not start", where=server.name, detail=tail(log.read_bytes()))
        time.sleep(_POLL)
    return True


def stop(server: Server) -> bool:
    """End it, whichever of its successors runs now; says whether one ran."""
    if not runs(server):
        return False
    run(["gdnsdctl", "-c", _current(server), "-t", "20", "stop"], what="end gdnsd", timeout=30)
    return True


def runs(server: Server) -> bool:
    """Whether one answers at its control socket: a pid would not say, since each replacement has another."""
    try:
        run(["gdnsdctl", "-c", _current(server), "-t", "5", "-o", "status"], what="look for gdnsd", timeout=15)
    except EngineFailed:
        return False
    return True


def _current(server: Server) -> str:
    return str(server.folder / "current")
