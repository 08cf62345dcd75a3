"""One at a time, whatever happens to the holder or to the file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from du_infra.engines.lock import exclusive
from du_infra.errors import Busy
from du_infra.progress import Event, silent

HOLD = """
import sys, time
from pathlib import Path
from du_infra.engines.lock import exclusive
from du_infra.progress import silent
with exclusive(Path(sys.argv[1]), what="it", report=silent, wait=0):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_who_is_at_work(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with (
        exclusive(lock, what="region a", report=silent, wait=0),
        pytest.raises(Busy, match=str(os.getpid())),
        exclusive(lock, what="region a", report=silent, wait=0),
    ):
        pytest.fail("two at once")


def test_of_a_holder_that_is_frozen_it_is_said_and_what_frees_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        holder.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, holder.pid, os.WSTOPPED)
        with (
            pytest.raises(Busy, match=f"process {holder.pid}, which is frozen") as error,
            exclusive(lock, what="region a", report=silent, wait=0),
        ):
            pytest.fail("two at once")
        assert f"kill -CONT {holder.pid}" in error.value.todo
        holder.kill()
    with exclusive(lock, what="it", report=silent, wait=0):
        pass


def test_a_holder_that_is_killed_frees_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"held\n"
        holder.kill()
    with exclusive(lock, what="it", report=silent, wait=0):
        assert lock.read_text() == f"{os.getpid()}\n"


def test_who_waited_for_a_file_that_is_gone_locks_the_one_that_others_will_find(tmp_path: Path) -> None:
    lock, held, end = tmp_path / "run" / "lock", threading.Event(), threading.Event()
    waits = threading.Event()

    def note(event: Event) -> None:
        waits.set()

    def second() -> None:
        with exclusive(lock, what="it", report=note, wait=10):
            held.set()
            end.wait(10)

    with exclusive(lock, what="it", report=silent, wait=0):
        waiter = threading.Thread(target=second)
        waiter.start()
        assert waits.wait(10)
        lock.unlink()
        lock.parent.rmdir()
    assert held.wait(10)
    with pytest.raises(Busy), exclusive(lock, what="it", report=silent, wait=0):
        pytest.fail("two at once")
    end.set()
    waiter.join()
