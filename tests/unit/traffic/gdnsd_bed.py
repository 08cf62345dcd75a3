"""A real gdnsd on loopback, as a child of the test."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import dns.exception
import dns.message
import dns.query
import pytest

from du_infra.engines.process import surroundings
from du_infra.progress import silent
from du_infra.traffic import ask
from du_infra.traffic.gdnsd.backend import Gdnsd
from du_infra.traffic.gdnsd.setup import Server, Zone
from du_infra.traffic.state import Endpoint, Record

NAME = "www.gtm.example.com"
ZONE = Zone("gtm.example.com", NAME, {"ns1": "127.0.0.1", "ns2": "127.0.0.1"})
FRA, NBG, HEL = "192.0.2.1", "192.0.2.2", "192.0.2.3"


def need_gdnsd() -> None:
    """Skip where it is not installed; in CI that is a failure."""
    if shutil.which("gdnsd", path=surroundings()["PATH"]):
        return
    if os.environ.get("CI") == "true":
        pytest.fail("gdnsd is not installed", pytrace=False)
    pytest.skip("gdnsd is not installed: apt-get install gdnsd")


def record(fra: int, nbg: int, hel: int = 0, *, down: str = "", ttl: int = 30) -> Record:
    """Three regions with these weights; ``down`` names those that are."""
    ends = {"fra": (FRA, fra), "nbg": (NBG, nbg), "hel": (HEL, hel)}
    return Record(
        NAME, ttl, {name: Endpoint(at, weight, name not in down.split()) for name, (at, weight) in ends.items()}
    )


class Daemon:
    """One gdnsd: its folders, its port, and the process that answers now (a replacement is another one)."""

    def __init__(self, folder: Path, name: str = "ns1") -> None:
        self.folder = folder / name
        for part in ("run", "state"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        at = f"127.0.0.1:{self.port}"
        self.server = Server(name, (at,), at, self.folder / "etc", self.folder / "run", self.folder / "state")
        self.log = self.folder / "log"

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = ["gdnsd", "-c", str(self.server.folder / "current"), "start"]
            self.child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=surroundings())
        deadline = time.monotonic() + 60
        while not self.pid():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)

    def pid(self) -> int:
        """The process that answers; 0 when none does."""
        command = ["gdnsdctl", "-c", str(self.server.folder / "current"), "-t", "5", "-o", "status"]
        done = subprocess.run(command, capture_output=True, text=True, env=surroundings(), check=False)
        found = re.search(r"running at PID (\d+)", done.stderr)
        return int(found[1]) if found else 0

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        if pid := self.pid():
            os.kill(pid, sign)
            deadline = time.monotonic() + 60
            while self.pid() and time.monotonic() < deadline:
                time.sleep(0.02)
        if hasattr(self, "child"):
            self.child.wait(timeout=60)  # the first one, which a replacement has ended long ago

    def ask(self, times: int = 1, tries: int = 3) -> Counter[str]:
        """How often each address was answered; "" stands for an answer without one. As a resolver does, it asks again
        when nothing comes: on a busy machine a datagram is lost now and then.
        """
        counted: Counter[str] = Counter()
        for _ in range(times):
            answer = self._answer(tries)
            counted.update([one.address for rrset in answer.answer for one in rrset] or [""])
        return counted

    def _answer(self, tries: int) -> dns.message.Message:
        for left in reversed(range(tries)):
            with suppress(*[dns.exception.Timeout] * bool(left)):
                question = dns.message.make_query(NAME, "A")
                return dns.query.udp(question, "127.0.0.1", port=self.port, timeout=5)
        raise AssertionError("never here")


def words(*daemons: Daemon, of: Record | None = None) -> list[tuple[str, ...]]:
    """What is wrong with each server's answers, by the record that was told last or by another."""
    one = backend(*daemons)
    wanted = of or one.read()
    assert wanted
    return [each.words for each in ask.verify(wanted, one.servers(), one.capabilities(), zone=ZONE.zone, times=300)]


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it comes true; gdnsd looks at its states every other second."""
    deadline = time.monotonic() + 30
    while not condition():
        if time.monotonic() > deadline:
            return False
    return True


def backend(*daemons: Daemon) -> Gdnsd:
    return Gdnsd(ZONE, [daemon.server for daemon in daemons], silent)


def free_port() -> int:
    """For UDP and TCP, below those that the kernel gives to clients: none of them takes it before gdnsd does."""
    while True:
        port = random.randint(20000, 30000)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp, suppress(OSError):
            for one in (udp, tcp):
                one.bind(("127.0.0.1", port))
            return port
