"""LXD through its own command line: where it is, and raw calls of its REST API (``lxc query``).

The API is described at https://documentation.ubuntu.com/lxd/en/latest/rest-api/; paths start with /1.0/.
Every call names the remote and the project: a user's own ``lxc remote switch`` or ``lxc project switch`` must not
send us to another machine.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from du_infra.engines.process import missing, run, tail
from du_infra.errors import EngineFailed, ToolMissing, Unreachable

_SNAP_FOLDER = Path("/var/snap/lxd/common/lxd")
_SNAP_BIN = Path("/snap/bin")
_DEB_FOLDER = Path("/var/lib/lxd")
_NOT_FOUND = ("not found", "Not Found", "No such file")
_HERE = "local:"  # lxc's name for the daemon behind LXD_DIR; no configuration can give it another meaning
_PROJECT = ("--project", "default")
_AGAIN = "see LXD's message; when its cause is gone, run the same command again"


@dataclass(frozen=True)
class Lxd:
    """One LXD daemon: its client program, its server program and the folder of its state.

    ``snap`` says that the snap service manager runs it.
    """

    client: str
    server: str
    folder: Path
    snap: bool = False

    @property
    def socket(self) -> Path:
        """The unix socket of the API."""
        return self.folder / "unix.socket"

    @property
    def env(self) -> dict[str, str]:
        """Environment that makes ``lxc`` and Terraform's provider speak to this very daemon."""
        return {"LXD_DIR": str(self.folder), "LXD_SOCKET": str(self.socket), "LXD_REMOTE": ""}

    def answers(self) -> bool:
        """Is somebody listening on the socket?"""
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            try:
                probe.connect(str(self.socket))
            except OSError:
                return False
            return True

    def query(self, path: str, method: str = "GET", data: object = None, *, timeout: float = 120) -> Any:
        """One API call; waits for the operation it starts. Returns the answer's metadata.

        Raises EngineFailed with LXD's message, Unreachable when the daemon is gone.
        """
        argv = [self.client, "query", "--wait", "-X", method]
        if data is not None:
            argv += ["-d", json.dumps(data)]
        answer = self._call([*argv, f"{_HERE}{path}"], f"{method} {path}", timeout)
        return json.loads(answer) if answer.strip() else None

    def find(self, path: str) -> Any:
        """GET ``path``; None when there is no such thing."""
        try:
            return self.query(path)
        except EngineFailed as error:
            if any(word in error.detail for word in _NOT_FOUND):
                return None
            raise

    def read_file(self, instance: str, path: str) -> bytes | None:
        """A file inside an instance, read by the daemon itself; None while it is not there."""
        where = f"{_HERE}/1.0/instances/{quote(instance)}/files?path={quote(path)}"
        try:
            return self._call([self.client, "query", "--raw", where], f"read {path} of {instance}", 30)
        except EngineFailed as error:
            if any(word in error.detail for word in _NOT_FOUND):
                return None
            raise

    def import_image(self, metadata: Path, rootfs: Path, alias: str) -> None:
        """Store a split image (metadata and root file system tarballs) under ``alias``."""
        argv = [self.client, "image", "import", *_PROJECT, str(metadata), str(rootfs), _HERE]
        self._call([*argv, "--alias", alias, "--quiet"], f"import the image {alias}", 600)

    def delete(self, instance: str) -> None:
        """Delete an instance, running or not."""
        self._call([self.client, "delete", *_PROJECT, "--force", f"{_HERE}{instance}"], f"delete {instance}", 120)

    def _call(self, argv: list[str], what: str, timeout: float) -> bytes:
        try:
            return run(argv, what=what, timeout=timeout, env=self.env)
        except EngineFailed as error:
            if not self.answers():
                raise Unreachable(
                    "the LXD daemon does not answer",
                    where=str(self.socket),
                    todo="run the same command again: it starts the daemon",
                    detail=error.detail,
                ) from None
            error.where = "LXD"
            error.todo = error.todo or _AGAIN
            raise


def find_lxd(environ: Mapping[str, str] | None = None) -> Lxd:
    """The LXD of this machine: the one LXD_DIR names, else the snap's, else the distribution's package.

    Raises ToolMissing when no LXD is installed.
    """
    env = os.environ if environ is None else environ
    named = env.get("LXD_DIR")
    snap = _SNAP_BIN / "lxc"
    if not named and snap.exists() and _SNAP_FOLDER.exists():
        return Lxd(str(snap), str(_SNAP_BIN / "lxd"), _SNAP_FOLDER, snap=True)
    client = shutil.which("lxc", path=env.get("PATH"))
    server = shutil.which("lxd", path=f"{env.get('PATH', '')}:/usr/sbin:/sbin")
    if client is None or server is None:
        raise ToolMissing(
            "LXD is not installed" if server is None else "the LXD client (lxc) is not installed",
            todo="run `du-infra doctor --fix`, which installs it",
        )
    return Lxd(client, server, Path(named) if named else _DEB_FOLDER)


def wait_ready(lxd: Lxd, starter: subprocess.Popen[bytes] | None, timeout: float) -> str:
    """Wait until the daemon serves its API; "" when it does, else what ``lxd waitready`` said.

    ``starter`` is the daemon's own process when we started it: waiting ends when that does.
    """
    argv = [lxd.server, "waitready", f"--timeout={timeout:.0f}"]
    try:
        waiter = subprocess.Popen(
            argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, **lxd.env}
        )
    except FileNotFoundError:
        raise missing(lxd.server) from None
    with waiter:
        while True:
            try:
                _, words = waiter.communicate(timeout=0.1)
                return "" if waiter.returncode == 0 else tail(words) or "not ready in time"
            except subprocess.TimeoutExpired:
                if starter is not None and starter.poll() is not None:
                    waiter.kill()
                    return f"the daemon ended with code {starter.returncode}"
