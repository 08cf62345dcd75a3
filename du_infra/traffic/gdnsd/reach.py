"""Runs ``server`` on a DNS server: on this machine, or over SSH on another."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from du_infra.engines import process, ssh
from du_infra.errors import Busy, DuError, EngineFailed, ToolMissing
from du_infra.traffic.gdnsd.setup import Server

_PROGRAM = Path(__file__).with_name("server.py")
_READ_SECONDS = 30
CHANGE_SECONDS = 60.0
_INSTALL = "apt-get install gdnsd"


@dataclass(frozen=True)
class Found:
    """What stands on a server: each configuration's files by its serial, which one is current, and the token."""

    current: int | None
    records: Mapping[int, Mapping[str, str]]
    token: str


def read(server: Server) -> Found:
    """Raises Unreachable, EngineFailed, or Refused for a host key that is not the pinned one."""
    answer = _ask(server, {"do": "read"}, _READ_SECONDS)
    records = {int(serial): files for serial, files in answer["records"].items() if serial.isdecimal()}
    current = int(answer["current"]) if answer["current"].isdecimal() else None
    return Found(current, records, answer["token"])


def change(
    server: Server,
    serial: int,
    files: Mapping[str, str],
    token: str,
    *,
    replace: bool = False,
    seconds: float = CHANGE_SECONDS,
) -> bool:
    """Bring the files, in so many seconds at most; says whether a gdnsd runs there.

    ``replace``: start gdnsd anew even where only the states are written. Raises Busy when ``token`` is not that of what
    is there now, EngineFailed with gdnsd's words, and what ``read`` raises.
    """
    request = {"do": "change", "serial": serial, "files": files, "token": token, "replace": replace}
    return bool(_ask(server, request, seconds)["running"])


def _ask(server: Server, request: Mapping[str, object], seconds: float) -> dict[str, Any]:
    text = json.dumps({**request, "folder": str(server.folder)})
    output = _remote(server, text, seconds) if server.target else _local(text, seconds)
    answer: dict[str, Any] = json.loads(output)
    if "stopped" in answer:
        raise _stopped(answer, server.name)
    return answer


def _local(request: str, seconds: float) -> str:
    argv = [sys.executable, "-I", str(_PROGRAM)]
    return process.run(argv, what="change gdnsd", stdin=request.encode(), timeout=seconds).decode()


def _remote(server: Server, request: str, seconds: float) -> str:
    assert server.target
    argv = ["python3", "-I", "-c", _PROGRAM.read_text(encoding="utf-8")]
    done = ssh.run(server.target, argv, stdin=request, timeout=seconds)
    if done.rc:
        raise EngineFailed("could not run Python there", where=server.name, detail=done.stderr.strip())
    return done.stdout


def _stopped(answer: Mapping[str, str], where: str) -> DuError:
    words, detail = answer["words"], answer["detail"]
    if answer["stopped"] == "busy":
        return Busy(words, where=where, todo="look again, then run the same command again", detail=detail)
    if answer["stopped"] == "missing":
        return ToolMissing(words, where=where, todo=_INSTALL, detail=detail)
    return EngineFailed(words, where=where, detail=detail)
