"""Outside programs: what we start ends with us, and what must live on is found again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from du_infra.engines.daemon import Daemon, command_line, gone, process_ids
from du_infra.engines.process import run
from du_infra.errors import EngineFailed, ToolMissing

_BUILDER = """
import sys
from pathlib import Path
from du_infra.engines.process import background, contained
inner = f"mount -t tmpfs none {sys.argv[1]} && sleep {sys.argv[2]} & sleep {sys.argv[2]}"
with background(contained(["sh", "-c", inner]), log=Path(sys.argv[1] + ".log"), env={}) as work:
    work.wait()
"""


def sleeping(seconds: str) -> list[int]:
    return [pid for pid in process_ids() if command_line(pid) == ["sleep", seconds]]


def wait_until(what: object, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while not what():  # type: ignore[operator]
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_program_that_fails_leaves_its_last_words() -> None:
    with pytest.raises(EngineFailed, match="could not try it") as error:
        run(["sh", "-c", "echo first; echo the reason >&2; exit 3"], what="try it")
    assert error.value.detail == "the reason"


def test_a_full_disk_has_its_own_advice() -> None:
    with pytest.raises(EngineFailed) as error:
        run(["sh", "-c", "echo 'write: No space left on device' >&2; exit 1"], what="write")
    assert "free some disk space" in error.value.todo


def test_a_program_that_is_not_installed_names_the_doctor() -> None:
    with pytest.raises(ToolMissing) as error:
        run(["no-such-program-here"], what="try it")
    assert "doctor" in error.value.todo


def test_the_administrators_programs_are_found_where_a_users_path_lacks_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert run(["sh", "-c", "echo $PATH"], what="look") == b"/usr/bin:/bin:/usr/sbin:/sbin\n"
    assert run(["sh", "-c", "echo $PATH"], what="look", env={"PATH": "/bin"}) == b"/bin\n"
    daemon = Daemon(argv=("sh", "-c", "echo $PATH"), pid_file=tmp_path / "pid", log=tmp_path / "log")
    daemon.start().wait()
    assert daemon.last_words() == "/usr/bin:/bin:/usr/sbin:/sbin"


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(EngineFailed, match="no end after"):
        run(["sleep", "61234"], what="wait", timeout=0.2)
    assert sleeping("61234") == []


def test_a_program_that_hangs_on_a_full_disk_is_told_of_as_that() -> None:
    script = "echo 'E: Write error - write (28: No space left on device)' >&2; exec sleep 61234"
    with pytest.raises(EngineFailed, match="no end after") as error:
        run(["sh", "-c", script], what="wait", timeout=0.5)
    assert "disk space" in error.value.todo
    assert sleeping("61234") == []


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_whatever_ends_us_ends_what_we_started_and_its_mounts(tmp_path: Path, sign: signal.Signals) -> None:
    seconds = f"71{os.getpid()}"
    folder = tmp_path / "mounted"
    folder.mkdir()
    argv = [sys.executable, "-c", _BUILDER, str(folder), seconds]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL) as builder:
        try:
            assert wait_until(lambda: len(sleeping(seconds)) == 2)
            builder.send_signal(sign)
            builder.wait(10)
            assert wait_until(lambda: sleeping(seconds) == [])
        finally:
            builder.kill()  # else a failure would wait for its end for ever
    assert str(folder) not in Path("/proc/self/mountinfo").read_text()


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(
        argv=("sleep", f"72{os.getpid()}"), pid_file=tmp_path / "run" / "x.pid", log=tmp_path / "log" / "x.log"
    )


def test_a_daemon_is_found_by_its_pid_file_and_without_it(daemon: Daemon) -> None:
    process = daemon.start()
    try:
        assert wait_until(lambda: daemon.pid() == process.pid)
        daemon.pid_file.unlink()
        assert daemon.pid() is None
        assert daemon.find() == process.pid
        assert daemon.pid() == process.pid
    finally:
        process.kill()
        process.wait()


def test_the_same_program_with_another_environment_is_somebody_elses(tmp_path: Path, daemon: Daemon) -> None:
    ours = replace(daemon, pid_file=tmp_path / "ours.pid", env={"PLACE": "here"})
    theirs = replace(daemon, pid_file=tmp_path / "theirs.pid", env={"PLACE": "there"})
    process = theirs.start()
    try:
        assert wait_until(lambda: theirs.find() == process.pid)
        assert ours.find() is None
        ours.pid_file.write_text(f"{process.pid}\n")
        assert ours.stop() is False
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_a_daemon_is_stopped_although_its_pid_file_is_lost(daemon: Daemon) -> None:
    process = daemon.start()
    assert wait_until(lambda: daemon.pid() == process.pid)
    daemon.pid_file.unlink()
    assert daemon.stop() is True
    assert process.wait() != 0


def test_a_pid_that_another_process_has_now_is_not_ours(daemon: Daemon) -> None:
    daemon.pid_file.parent.mkdir()
    daemon.pid_file.write_text(f"{os.getpid()}\n")
    assert daemon.pid() is None
    assert daemon.stop() is False
    assert command_line(os.getpid())


def test_a_daemon_that_ignores_the_request_is_ended_by_force(tmp_path: Path) -> None:
    deaf = ("sh", "-c", "trap '' TERM; while true; do sleep 0.05; done")
    daemon = Daemon(argv=deaf, pid_file=tmp_path / "x.pid", log=tmp_path / "x.log")
    process = daemon.start()
    assert wait_until(lambda: daemon.pid() == process.pid)
    time.sleep(0.1)
    assert daemon.stop(wait=0.3) is True
    assert gone(process.pid, 5)
    process.wait()
    assert not daemon.pid_file.exists()
