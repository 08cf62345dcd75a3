"""nginx: test a configuration, put it in place, reload, and prove that it works. An adapter: it decides nothing.

Exit codes prove nothing: `nginx -t` and a reload both say yes while the master keeps the old configuration (a port
conflict does that). The proof is that fresh connections are answered with the new hash, several in a row, and
that every worker from before has stopped taking connections.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Mapping
from pathlib import Path

from du_node import files, places, processes, sockets
from du_node.command import run
from du_node.errors import NodeError
from du_node.gateway import nginx_conf
from du_node.gateway.proof import ask
from du_node.state import Gateway
from du_node.table import Table, pairs

_PROOFS = 5
_PROOF_TIME = 5.0
_START_TIME = 5.0
_SETTLED = 0.2
_SHUTTING = "shutting down"
_INCLUDE = re.compile(r"^(\s*include\s+)\S*conf\.d/\*\.conf(\s*;)", re.MULTILINE)
_PID_LINE = re.compile(r"^\s*pid\s+([^;\s]+)\s*;", re.MULTILINE)
_ERROR_LOG = re.compile(r"^\s*error_log\s+(/[^;\s]+)", re.MULTILINE)


class Nginx:
    """nginx 1.27.4 or newer; its routes are one file, du.conf."""

    kind = "nginx"
    program = "nginx"

    def observe(self) -> Gateway:
        """The gateway as it is: the routes of the live configuration, or of the stored one when nginx is down."""
        table, disk = nginx_conf.read(files.read(places.DU_CONF))
        master = master_pid()
        live, routes = ask() if master else ("", {})
        return Gateway(bool(master), routes if live else pairs(table), live, disk)

    def start(self) -> None:
        """Start nginx by its service; one that runs stands still. Raises NodeError gateway with nginx's own words."""
        _make_log_folder()
        if master_pid():  # it would not end in order, and be waited for
            run(["systemctl", "kill", "--signal=KILL", "nginx"])
        run(["systemctl", "reset-failed", "nginx"])
        done = run(["systemctl", "restart", "nginx"], timeout=60)
        deadline = time.monotonic() + _START_TIME
        while not done.code and not master_pid() and time.monotonic() < deadline:
            time.sleep(0.02)
        if not master_pid():
            raise NodeError(
                "gateway",
                "nginx does not start",
                todo="see `systemctl status nginx` on the node",
                detail=_complaints() or done.err,
            )

    def set_table(self, table: Table) -> str:
        """Make nginx work by ``table`` and prove it; its digest. Raises NodeError gateway; the old one stays then."""
        text, digest = nginx_conf.render(table)
        before = files.read(places.DU_CONF)
        _make_log_folder()
        _test(text)
        files.write(places.DU_CONF, text, 0o644)
        old = reload()
        if not _proven(digest, old):
            _put_back(before)
            raise NodeError(
                "gateway",
                "nginx was told to reload and kept its old configuration",
                todo="see what nginx says above; something else may use its port",
                detail=_complaints(),
            )
        _told.at = time.monotonic()
        return digest

    def connections(self, port: int) -> int:
        """Those nginx has to the slot, and requests that leaving workers are still reading: they may go there yet."""
        master = master_pid()
        _let_workers_be_told(master)
        open_now = sockets.established()
        leaving = [pid for pid, title in _workers(master) if _SHUTTING in title]
        return sockets.to_slot(port) + sum(_unanswered(pid, open_now) for pid in leaving)

    def version(self) -> str:
        """nginx's version, for example 1.31.3."""
        done = run([_program(), "-v"])
        return done.err.strip().rpartition("/")[2]


def reload() -> set[int]:
    """Tell the master to read its files again; the workers it had until now are returned."""
    master = master_pid()
    if not master:
        raise NodeError("gateway", "nginx is not running", todo="see `systemctl status nginx` on the node")
    old = {pid for pid, title in _workers(master) if _SHUTTING not in title}
    os.kill(master, signal.SIGHUP)
    return old


def master_pid() -> int:
    """nginx's master process; 0 when it does not run."""
    found = _PID_LINE.search(files.read(places.NGINX_CONF))
    text = files.read(found.group(1) if found else "/run/nginx.pid").strip()
    pid = int(text) if text.isdigit() else 0
    return pid if pid and "nginx: master" in processes.title(pid) else 0


def _make_log_folder() -> None:
    """nginx does not start without the folder of its access log."""
    Path(places.LOGS).mkdir(mode=0o750, parents=True, exist_ok=True)


def _program() -> str:
    """The nginx that runs, or the one on PATH: a test by another binary would prove nothing."""
    try:
        return os.readlink(f"/proc/{master_pid()}/exe").removesuffix(" (deleted)")  # noqa: PTH115
    except OSError:
        return "nginx"


def _workers(master: int) -> list[tuple[int, str]]:
    return [(pid, title) for pid, title in processes.children(master) if "worker" in title] if master else []


class _Told:
    """When this process last saw that every worker of an earlier table had been told to go (monotonic)."""

    at = float("-inf")


_told = _Told()


def _let_workers_be_told(master: int) -> None:
    """Wait out the moment after a reload in which a worker that is about to be told to go looks like any other.

    There is none after a reload of our own that was proven, only after one that a killed run has left.
    """
    deadline = time.monotonic() + 2 * _SETTLED  # where workers die and are made anew there is always a young one
    while time.monotonic() < deadline:
        youngest = min((processes.age(pid) for pid, _ in _workers(master)), default=_SETTLED)
        if youngest >= _SETTLED or time.monotonic() - _told.at <= youngest:
            return
        time.sleep(0.02)


def _unanswered(pid: int, open_now: Mapping[str, tuple[int, int]]) -> int:
    """Client connections of a worker that have no connection to a slot or peer beside them: at most so many requests,
    say slow uploads, are not on their way yet."""
    ends = [open_now[inode] for inode in processes.sockets(pid) if inode in open_now]
    return max(0, sum(1 if not slot else -1 for _, slot in ends))


def _proven(digest: str, old: set[int]) -> bool:
    deadline = time.monotonic() + _PROOF_TIME
    in_a_row = 0
    while time.monotonic() < deadline:
        in_a_row = in_a_row + 1 if ask()[0] == digest else 0
        if in_a_row >= _PROOFS and not _still_taking(old):
            return True
        if not in_a_row:
            time.sleep(0.005)
    return False


def _still_taking(old: set[int]) -> bool:
    """Whether a worker from before still accepts connections: it is told by its title, or gone, when it does not."""
    titles = (processes.title(pid) for pid in old)
    return any("worker" in title and _SHUTTING not in title for title in titles)


def _put_back(text: str) -> None:
    """The file must not hold what the master refused: the next start of nginx would fail by it."""
    if text:
        files.write(places.DU_CONF, text, 0o644)
    else:
        Path(places.DU_CONF).unlink(missing_ok=True)
    reload()


def _test(text: str) -> None:
    """`nginx -t` on the whole configuration with the new du.conf in it, before anything is replaced."""
    candidate = f"{places.TEST_CONF}.du"
    main, count = _INCLUDE.subn(rf"\g<1>{candidate}\2", files.read(places.NGINX_CONF))
    if count != 1:
        raise NodeError(
            "gateway",
            f"{places.NGINX_CONF} does not include conf.d/*.conf",
            todo="run `du-infra region up`",
        )
    files.write(candidate, text, 0o644)
    files.write(places.TEST_CONF, main, 0o644)
    done = run([_program(), "-t", "-q", "-p", "/etc/nginx/", "-c", places.TEST_CONF])
    for path in (candidate, places.TEST_CONF):
        Path(path).unlink(missing_ok=True)
    if done.code:
        raise NodeError("gateway", "nginx refuses the new configuration", detail=done.err.strip()[-2000:])


def _complaints() -> str:
    """nginx's latest errors."""
    found = _ERROR_LOG.search(files.read(places.NGINX_CONF))
    if found:
        lines = files.read(found.group(1)).splitlines()[-200:]
    else:
        lines = run(["journalctl", "-u", "nginx", "-n", "200", "-o", "cat", "--no-pager"]).out.splitlines()
    return "\n".join([line for line in lines if "[emerg]" in line][-5:])
