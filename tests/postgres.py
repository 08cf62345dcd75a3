"""A real PostgreSQL for tests and benches: Debian's, in a folder of its own, on a socket of its own, as nobody's root.

It is not the machine's own server: nothing of that is asked or touched.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SECONDS = 60
_USERS = ("postgres", "nobody")
# Nothing of it must outlive the test, so it need not reach the disk; what a server does is the same.
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
_SMALL = ("shared_buffers=32MB", "max_connections=60")


def programs() -> Path | None:
    """The folder of initdb and postgres, of the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


def why_no_postgres() -> str:
    """Why there can be no server, or "" when there can."""
    return "" if programs() else "PostgreSQL is not installed; `du-infra doctor --fix --for postgres`"


class Postgres:
    """A server with the user du, who may make databases and needs a password; its port is a socket in ``folder``."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self.folder = folder
        self._settings = () if durable else _FAST
        self.password = secrets.token_hex(12)
        self.password_file = folder / "password"
        self._data = folder / "data"
        self._server: subprocess.Popen[bytes] | None = None
        self.made = 0

    def init(self) -> None:
        """Make its files, and the user."""
        found = programs()
        assert found
        self._bin = found
        self._user = next((name for name in _USERS if os.geteuid() == 0 and _is_user(name)), "")
        if self._user:
            shutil.chown(self.folder, self._user)
        self.folder.chmod(0o755)
        argv = ["initdb", "-D", str(self._data), "-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]
        subprocess.run(
            [*self._as_user(), str(self._bin / argv[0]), *argv[1:]], check=True, capture_output=True, cwd="/"
        )
        lines = ["local all admin trust", "local all all scram-sha-256", "host all all 127.0.0.1/32 scram-sha-256"]
        (self._data / "pg_hba.conf").write_text("\n".join([*lines, ""]))
        self.password_file.write_text(self.password + "\n")
        self.password_file.chmod(0o600)
        self.start()
        self.sql(f"create role du login createdb password '{self.password}'")

    def start(self) -> None:
        """It answers when this returns."""
        settings = (f"unix_socket_directories={self.folder}", "listen_addresses=", *_SMALL, *self._settings)
        argv = [str(self._bin / "postgres"), "-D", str(self._data), *(part for one in settings for part in ("-c", one))]
        with (self.folder / "log").open("ab") as log:
            self._server = subprocess.Popen([*self._as_user(), *argv], cwd="/", stdout=log, stderr=log)
        deadline = time.monotonic() + _SECONDS
        while not self._answers():
            assert self._server.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.05)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT cuts everybody off and ends in order, SIGQUIT is a crash."""
        if self._server:
            self._server.send_signal(how)
            self._server.wait(_SECONDS)
            self._server = None

    @property
    def pid(self) -> int:
        """Of its first process."""
        assert self._server
        return self._server.pid

    @property
    def runs(self) -> bool:
        """Whether it was started, and not stopped."""
        return self._server is not None

    def new(self) -> str:
        """The URL of a database that is empty, of the user du."""
        self.made += 1
        name = f"du{self.made}"
        self.sql(f"create database {name} owner du")
        return self.url(name)

    def url(self, database: str, user: str = "du", more: str = "") -> str:
        """As fleet.yaml has it."""
        return f"postgresql://{user}@/{database}?host={self.folder}{more}"

    def sql(self, command: str, database: str = "postgres") -> str:
        """What psql says, as the administrator."""
        argv = ["psql", "-h", str(self.folder), "-U", "admin", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", database]
        done = subprocess.run(
            [str(self._bin / argv[0]), *argv[1:]], input=command, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _answers(self) -> bool:
        argv = [str(self._bin / "pg_isready"), "-q", "-h", str(self.folder), "-U", "admin", "-d", "postgres"]
        return subprocess.run(argv, check=False).returncode == 0

    def _as_user(self) -> list[str]:
        """PostgreSQL refuses to run as root. It ends when we do, however we end."""
        user = ["--reuid", self._user, "--regid", self._user, "--clear-groups"] if self._user == "postgres" else []
        nobody = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"] if self._user == "nobody" else []
        return ["setpriv", *user, *nobody, "--pdeathsig", "INT"]


@contextmanager
def postgres(*, durable: bool = False) -> Iterator[Postgres]:
    """One that runs; nothing of it is left at the end. Its folder's path is short enough for a socket.

    ``durable``: it waits for the disk, as one in earnest does.
    """
    folder = Path(tempfile.mkdtemp(prefix="du-pg-", dir="/tmp"))
    made = Postgres(folder, durable=durable)
    try:
        made.init()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def _is_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
