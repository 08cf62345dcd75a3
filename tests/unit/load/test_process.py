"""The load client as a process: whom it refuses, and that it ends whatever becomes of whoever started it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.load.runner import Load
from tests.unit.load import servers
from tests.unit.load.servers import serving

_ROOT = Path(__file__).resolve().parents[3]
_CLIENT = [sys.executable, "-m", "bench.load"]


@pytest.mark.parametrize("address", ["192.0.2.1", "8.8.8.8:80", "198.17.255.255", "198.20.0.1", "example.com", "::1"])
def test_it_refuses_to_load_anybody_but_us(address: str) -> None:
    done = subprocess.run([*_CLIENT, address], capture_output=True, text=True, check=False, cwd=_ROOT)
    assert done.returncode == 2
    assert done.stdout == ""


@pytest.mark.parametrize("mix", ["get", "get=x", "get=0", "get=99999", "put=1"])
def test_a_mix_that_makes_no_sense_is_refused(mix: str) -> None:
    done = subprocess.run([*_CLIENT, "127.0.0.1:1", "--mix", mix], capture_output=True, text=True, cwd=_ROOT)
    assert done.returncode == 2


def start(address: str, *options: str) -> subprocess.Popen[str]:
    command = [*_CLIENT, address, "--mix", "get=20", *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def end(process: subprocess.Popen[str]) -> dict[str, object]:
    out, _ = process.communicate(timeout=5)
    assert process.returncode == 0
    told: dict[str, object] = json.loads(out)
    return told


def test_it_ends_when_its_time_is_over() -> None:
    with serving(servers.good) as address:
        told = end(start(address, "--seconds", "0.5"))
    assert told["lost"] == 0
    assert 0.4 < float(str(told["seconds"])) < 1.5


def test_it_ends_and_reports_on_sigterm() -> None:
    with serving(servers.good) as address:
        process = start(address)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert end(process)["lost"] == 0


def test_it_ends_with_the_one_who_started_it() -> None:
    with serving(servers.good) as address:
        process = start(address, "--until-eof")
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        assert end(process)["lost"] == 0


def test_a_block_that_fails_leaves_no_process() -> None:
    with serving(servers.hangs) as address:
        load = Load(address, "get=20", timeout=1)
        with pytest.raises(ZeroDivisionError), load:
            1 / 0  # noqa: B018
        with pytest.raises(RuntimeError, match="not ended"):
            _ = load.report
    assert load.process.poll() is not None
