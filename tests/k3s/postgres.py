"""A PostgreSQL on a machine of its own in the local cloud: an external datastore for the clusters of a test."""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from du_infra.pool.lxd.provider import LxdProvider
from du_infra.progress import silent
from tests.region.machine import launch, remove

_INSTALL = """
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update && apt-get -qq install -y --no-install-recommends postgresql >/dev/null 2>&1
echo "listen_addresses = '*'" >>/etc/postgresql/15/main/conf.d/open.conf
echo 'host k3s k3s 198.18.0.0/16 scram-sha-256' >>/etc/postgresql/15/main/pg_hba.conf
systemctl restart postgresql
"""
_SECONDS = 300


@dataclass
class Postgres:
    """The database and the user k3s; ``password`` as it is now."""

    name: str
    address: str
    password: str = ""

    @property
    def endpoint(self) -> str:
        """As K3s is told of it."""
        return f"postgres://k3s:{self.password}@{self.address}:5432/k3s?sslmode=disable"

    def sql(self, *commands: str) -> str:
        """What psql says, as the database's administrator."""
        return self._sh("cd / && su postgres -c 'psql -qAt -v ON_ERROR_STOP=1 k3s'", "\n".join(commands))

    def give_password(self) -> None:
        """From now on K3s needs another password; who is connected stays so."""
        self.password = secrets.token_hex(12)
        self.sql(f"alter role k3s password '{self.password}';")

    def cut(self) -> None:
        """End every connection that K3s has."""
        self.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'k3s';")

    def stop(self) -> None:
        """It does not answer until ``start``."""
        self._sh("systemctl stop postgresql")

    def start(self) -> None:
        """It answers again."""
        self._sh("systemctl start postgresql")

    def install(self) -> None:
        """Debian's PostgreSQL, from the distribution."""
        self._sh(_INSTALL)
        self._sh("cd / && su postgres -c \"psql -qc 'create role k3s login' -c 'create database k3s owner k3s'\"")
        self.give_password()

    def _sh(self, script: str, stdin: str = "") -> str:
        argv = ["lxc", "exec", self.name, "-T", "--", "sh", "-c", script]
        done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=_SECONDS)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@contextmanager
def postgres() -> Iterator[Postgres]:
    """One that runs; its machine is gone at the end."""
    provider = LxdProvider()
    provider.prepare(silent)
    name = f"t{secrets.token_hex(3)}-postgres"
    try:
        made = Postgres(name, launch(provider, name, memory="512MiB", seconds=60))
        made.install()
        yield made
    finally:
        remove(name)
