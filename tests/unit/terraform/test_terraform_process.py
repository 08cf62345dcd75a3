"""A run of Terraform outlives neither du-infra nor its own Ctrl-C, and always ends in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from du_infra.engines.terraform.process import capture, follow

# Stands for Terraform: counts interrupts, ends in order a moment after the first, and writes its state.
STAND_IN = textwrap.dedent(
    """
    import pathlib, signal, sys, time
    count = 0
    def interrupted(*_):
        global count
        count += 1
    signal.signal(signal.SIGINT, interrupted)
    print("started", flush=True)
    deadline = time.monotonic() + 20
    while not count and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.5)
    print("stopping", flush=True)
    pathlib.Path("state").write_text(str(count))
    """
)


@pytest.fixture
def stand_in(tmp_path: Path) -> list[str]:
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    return [sys.executable, str(script)]


def _wait_for(path: Path, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not path.is_file() or not path.read_text():
        assert time.monotonic() < deadline, f"{path} was not written"
        time.sleep(0.02)


def test_lines_come_while_the_command_runs_and_the_last_needs_no_newline(tmp_path: Path) -> None:
    script = "import sys, time; print('one', flush=True); time.sleep(0.4); sys.stdout.write('two'); sys.exit(3)"
    seen: list[tuple[str, float]] = []
    done = follow([sys.executable, "-c", script], tmp_path, os.environ, lambda s: seen.append((s, time.time())))
    assert [line for line, _ in seen] == ["one\n", "two"]
    assert seen[1][1] - seen[0][1] > 0.2
    assert done.rc == 3


def test_what_a_run_says_is_for_the_owner_only(tmp_path: Path) -> None:
    done = follow([sys.executable, "-c", "import sys; sys.exit('bad')"], tmp_path, os.environ, lambda line: None)
    assert done.stderr == "bad\n"
    for name in ("run.out", "run.err"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


def test_an_observer_that_fails_interrupts_once_and_waits_for_the_state(tmp_path: Path, stand_in: list[str]) -> None:
    def observer(line: str) -> None:
        raise RuntimeError("the observer broke")

    with pytest.raises(RuntimeError, match="the observer broke"):
        follow(stand_in, tmp_path, os.environ, observer)
    assert (tmp_path / "state").read_text() == "1"


PARENT = textwrap.dedent(
    """
    import os, pathlib, sys
    from du_infra.engines.terraform.process import follow
    folder = pathlib.Path(sys.argv[1])
    try:
        follow(sys.argv[2:], folder, os.environ, lambda line: (folder / "up").write_text(line))
    except KeyboardInterrupt:
        sys.exit(130)
    """
)


def _parent(tmp_path: Path, stand_in: list[str]) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", PARENT, str(tmp_path), *stand_in]
    process = subprocess.Popen(argv, start_new_session=True)
    _wait_for(tmp_path / "up")
    return process


def test_ctrl_c_however_often_interrupts_once_and_waits(tmp_path: Path, stand_in: list[str]) -> None:
    process = _parent(tmp_path, stand_in)
    for _ in range(3):
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of its foreground group
        time.sleep(0.1)
    assert process.wait(timeout=10) == 130
    assert (tmp_path / "state").read_text() == "1"


def test_a_killed_parent_still_leaves_a_state_behind(tmp_path: Path, stand_in: list[str]) -> None:
    process = _parent(tmp_path, stand_in)
    process.kill()
    process.wait()
    _wait_for(tmp_path / "state", seconds=5)
    assert (tmp_path / "state").read_text() == "1"


def test_capture_gives_both_streams_and_the_exit_code(tmp_path: Path) -> None:
    script = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(4)"
    done = capture([sys.executable, "-c", script], tmp_path, os.environ)
    assert (done.rc, done.stdout, done.stderr) == (4, "out\n", "err\n")
    assert list(tmp_path.iterdir()) == []
