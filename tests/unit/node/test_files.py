"""The lock and files that are whole or not there."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from du_node import files, places
from du_node.errors import NodeError
from du_node.files import Lock


@pytest.fixture(autouse=True)
def _own_lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "LOCK", str(tmp_path / "lock"))


def test_the_second_is_told_who_is_at_work() -> None:
    Lock("apply").take(0)
    with pytest.raises(NodeError) as caught:
        Lock("apply").take(0.1)
    assert (caught.value.kind, caught.value.exit_code) == ("busy", 7)
    assert f"du-node apply (pid {os.getpid()})" in caught.value.what


def test_the_lock_lives_until_the_last_tool_that_inherited_it_ends() -> None:
    lock = Lock("apply")
    lock.take(0)
    child = subprocess.Popen(["sleep", "30"], pass_fds=[lock.descriptor])
    os.close(lock.descriptor)
    with pytest.raises(NodeError):
        Lock("apply").take(0)
    child.kill()
    child.wait()
    Lock("apply").take(1)


def held_by(verb: str) -> subprocess.Popen[str]:
    """Another du-node that is at work."""
    script = (
        "import sys, time\nfrom du_node import places, files\n"
        f"places.LOCK = {places.LOCK!r}\nlock = files.Lock({verb!r})\n"
        "lock.take(0)\nprint('held', flush=True)\ntime.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", script, verb], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "held\n"
    child.stdout.close()
    return child


def test_a_heal_gives_way_to_an_apply() -> None:
    healer = held_by("heal")
    Lock("apply").take(5)
    assert healer.wait(5) < 0


def test_an_apply_gives_way_only_to_one_that_is_wanted_now() -> None:
    child = held_by("apply")
    with pytest.raises(NodeError):
        Lock("apply").take(0.2)
    assert child.poll() is None
    Lock("apply", now=True).take(5)
    assert child.wait(5) < 0


def test_who_is_at_work_is_known_as_long_as_it_is() -> None:
    assert files.holder() is None
    child = held_by("apply")
    found = files.holder()
    assert found is not None
    assert (found["verb"], found["pid"]) == ("apply", child.pid)
    child.kill()
    child.wait()
    assert files.holder() is None


def test_a_process_that_only_has_the_healers_old_number_is_not_touched() -> None:
    Path(places.LOCK).write_text(json.dumps({"pid": os.getpid(), "verb": "heal", "since": 0}))
    assert files._ask_to_go(("heal",))


def test_a_written_file_is_whole_private_and_alone(tmp_path: Path) -> None:
    path = tmp_path / "a" / "wanted.json"
    files.write(str(path), "one")
    files.write(str(path), "two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_a_file_that_cannot_be_written_is_one_clear_error() -> None:
    with pytest.raises(NodeError) as caught:
        files.write("/proc/nowhere/x", "text")
    assert "cannot be written" in caught.value.what


def test_the_stamp_changes_with_every_write(tmp_path: Path) -> None:
    path = str(tmp_path / "x")
    assert files.stamp(path) == ""
    files.write(path, "a")
    first = files.stamp(path)
    files.write(path, "a")
    assert first != files.stamp(path) != ""


def test_broken_json_is_as_good_as_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("{")
    assert files.read_json(str(tmp_path / "x")) == {}
    assert files.read_json(str(tmp_path / "none")) == {}


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EROFS, "tool"), (errno.ENOSPC, "no-room"), (errno.EDQUOT, "no-room")]
)
def test_a_file_that_cannot_be_written_is_an_error_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int, kind: str
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)  # a disk that can only be read refuses that as well
    with pytest.raises(NodeError) as caught:
        files.write(str(tmp_path / "x"), "text")
    assert (caught.value.kind, os.strerror(number) in caught.value.what) == (kind, True)
