"""What each program of a node with K3s holds of its memory.

Proportional set size (proc_pid_smaps(5)): pages that several processes share count once in all.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import du_infra
from bench.report import Row
from du_infra.fleet import Fleet

SETTLE_SECONDS = 60.0
"""So long after its last work a server has come to rest."""
_FLEET = """\
fleet: {fleet}
regions:
  home:
    provider: lxd
    runtime: k3s
    k3s: {{version: {version}, from: {folder}}}
    pool: {{nodes: 2, boot_timeout: 5m}}
services:
  hello: {{image: registry.local:5000/hello, tag: v1, port: 8080}}
"""
_LOOK = """
import glob, json, os
found = {}
for place in glob.glob('/proc/[0-9]*'):
    try:
        words = open(place + '/cmdline', 'rb').read().split(b'\\0')
        group = open(place + '/cgroup').read()
        size = next(int(l.split()[1]) for l in open(place + '/smaps_rollup') if l.startswith('Pss:'))
    except (OSError, StopIteration):
        continue
    if not words[0] or int(place[6:]) == os.getpid():
        continue
    # nginx and sshd write what they do into their first word; of a Python program the script's name says more
    names = [os.path.basename(word.split()[0]).rstrip(':') for word in b' '.join(words).decode().split(' ') if word]
    if names[0].startswith('python'):
        names = [name for name in names[1:] if not name.startswith('-')] or names
    name = 'containers' if 'kubepods' in group else names[0]
    row = found.setdefault(name, [0, 0])
    row[0] += 1
    row[1] += size
info = dict(l.split(':') for l in open('/proc/meminfo'))
kb = {key: int(info[key].split()[0]) for key in ('MemTotal', 'MemAvailable')}
print(json.dumps({'programs': found, **kb}))
"""


@dataclass(frozen=True)
class Memory:
    """Of a node, in MB: ``total``, ``used`` (what is not available), and by program (number of processes, size)."""

    total: float
    used: float
    programs: dict[str, tuple[int, float]]

    def largest(self, least: float = 2.0) -> list[tuple[str, float]]:
        """Programs of at least so many MB, the largest first, then all others together."""
        named = sorted(((name, mb) for name, (_, mb) in self.programs.items() if mb >= least), key=lambda row: -row[1])
        rest = sum(mb for _, mb in self.programs.values() if mb < least)
        return [*named, ("all others", rest)]


def memory_of(node: str) -> Memory:
    """What a node of the local cloud holds now."""
    argv = ["lxc", "exec", node, "-T", "--", "python3", "-"]
    told = json.loads(subprocess.run(argv, input=_LOOK, capture_output=True, text=True, check=True).stdout)
    programs = {name: (count, kb / 1024) for name, (count, kb) in told["programs"].items()}
    total, free = told["MemTotal"] / 1024, told["MemAvailable"] / 1024
    return Memory(total, total - free, programs)


def measure() -> Iterator[Row]:
    """A server and an agent of 1 GB on the stand-in, each with one copy of the sample service."""
    with _region() as fleet:
        fleet.region("home").up()
        time.sleep(SETTLE_SECONDS)
        for node, role in zip(fleet.region("home").status().nodes, ("server", "agent"), strict=True):
            found = memory_of(node.name)
            yield Row(f"{role}: in use of {found.total:.0f} MB", f"{found.used:.0f} MB")
            for name, mb in found.largest():
                yield Row(f"{role}: {name}", f"{mb:.0f} MB")


@contextmanager
def _region() -> Iterator[Fleet]:
    """A fleet with the stand-in's release beside it; its region is gone afterwards."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        subprocess.run(
            [sys.executable, "-m", "tests.k3s.release", str(folder / "k3s")], check=True, capture_output=True
        )
        program = next(path for path in (folder / "k3s").iterdir() if path.name in ("k3s", "k3s-arm64"))
        said = subprocess.run([str(program), "--version"], check=True, capture_output=True, text=True).stdout
        text = _FLEET.format(fleet=f"bench{secrets.token_hex(3)}", version=said.split()[2], folder="k3s")
        (folder / "fleet.yaml").write_text(text, encoding="utf-8")
        fleet = du_infra.load(folder / "fleet.yaml")
        try:
            yield fleet
        finally:
            fleet.region("home").down()
