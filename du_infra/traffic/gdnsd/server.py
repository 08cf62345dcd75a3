"""Runs on the DNS server: reads and changes gdnsd's files. Standard library only; its text is sent there.

One JSON object comes in on stdin, one goes out on stdout. The folder:

    records/<serial>/{config,zones/<zone>,states}   one complete configuration each
    current → records/<serial>                      what gdnsd starts with, and is replaced by
    lock                                            held while somebody changes something

A change is made beside the old one and checked; then ``current`` is set to it, in one step, and gdnsd takes over from
itself. Wherever this is killed, gdnsd has one complete configuration to start with, and goes on with the one it has.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

REPLACE_SECONDS = 15
HOLD_SECONDS = 0.5
LOCK = "lock"
STATES = "states"


class Stopped(Exception):
    """A change that was not made: ``kind`` is "busy", "missing" or "failed"."""

    def __init__(self, kind: str, words: str, detail: str = "") -> None:
        super().__init__(words)
        self.kind, self.words, self.detail = kind, words, detail


def main() -> None:
    """Answer one request."""
    os.umask(0o022)  # gdnsd runs as another user
    os.environ["PATH"] = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin:/usr/bin:/bin"
    request = json.load(sys.stdin)
    folder = Path(request["folder"])
    try:
        answer = _look(folder) if request["do"] == "read" else _change(folder, request)
    except Stopped as stopped:
        answer = {"stopped": stopped.kind, "words": stopped.words, "detail": stopped.detail}
    except OSError as error:
        words = f"could not write gdnsd's files: {error.strerror}"
        answer = {"stopped": "failed", "words": words, "detail": str(error)}
    print(json.dumps(answer))


def _look(folder: Path) -> dict[str, Any]:
    """What ``read`` gives, with a token that fits nothing where somebody is in the middle of a change: gdnsd may still
    answer with what was, while the files are what will be, and who goes by both would undo the change unseen."""
    busy = _is_held(folder)
    found = read(folder)
    return {**found, "token": ""} if busy or _is_held(folder) else found


def read(folder: Path) -> dict[str, Any]:
    """Every configuration there, which of them is the current one, and a token that changes with any change."""
    records = {path.name: _files(path) for path in sorted((folder / "records").glob("[0-9]*")) if path.is_dir()}
    current = _current(folder)
    told = json.dumps([current, records.get(current, {})], sort_keys=True)
    return {"current": current, "records": records, "token": hashlib.sha256(told.encode()).hexdigest()}


def _change(folder: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Bring ``files`` under ``serial``. With the serial that is there already, only the states are written.

    ``token`` is what ``read`` gave: nothing is touched when it is no longer so.
    """
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as lock:
        _hold(lock.fileno())
        if read(folder)["token"] != request["token"]:
            raise Stopped("busy", "somebody else changed the record meanwhile")
        serial, files = str(request["serial"]), request["files"]
        new = folder / "records" / serial
        if serial == _current(folder):
            _write(new / STATES, files[STATES])
            return {"running": _take_over(folder) if request["replace"] else _hurry(folder)}
        return {"running": _switch(folder, new, files)}


def _switch(folder: Path, new: Path, files: dict[str, str]) -> bool:
    before = _current(folder)
    shutil.rmtree(new, ignore_errors=True)  # what a killed change left; gdnsd never had it
    for name, text in files.items():
        (new / name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        _write(new / name, text)
    try:
        _call(["gdnsd", "-c", str(new), "checkconf"], "gdnsd does not take the new configuration")
    except Stopped:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _point(folder, new.name)
    try:
        running = _take_over(folder)
    except Stopped:
        # Its files stay: a gdnsd that was slow may have taken them over after all.
        if before:
            _point(folder, before)
        raise
    _forget(folder, {new.name, before})
    return running


def _take_over(folder: Path) -> bool:
    """Have a running gdnsd start anew with what is there now, with no question lost; False when none runs."""
    if not _running(folder):
        return False
    control = ["gdnsdctl", "-c", str(folder / "current"), "-t", str(REPLACE_SECONDS), "replace"]
    _call(control, "gdnsd did not take over from itself")
    return True


def _hurry(folder: Path) -> bool:
    """Have gdnsd see the states now; if it does not start anew, it sees them within two seconds all the same."""
    try:
        return _take_over(folder)
    except Stopped:
        return True


def _running(folder: Path) -> bool:
    status = ["gdnsdctl", "-c", str(folder / "current"), "-t", "5", "-o", "status"]
    try:
        return subprocess.run(status, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


def _call(command: list[str], words: str) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Stopped("missing", f"{command[0]} is not installed") from None
    if done.returncode:
        # gdnsd tells what it did on stderr as well; what was wrong comes last.
        raise Stopped("failed", words, "\n".join((done.stderr or done.stdout).strip().splitlines()[-15:]))


def _hold(descriptor: int) -> None:
    """Who only looks holds it for a moment."""
    deadline = time.monotonic() + HOLD_SECONDS
    while not _taken(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            raise Stopped("busy", "another du-infra is changing this DNS server")
        time.sleep(HOLD_SECONDS / 20)


def _is_held(folder: Path) -> bool:
    try:
        with (folder / LOCK).open() as lock:
            return not _taken(lock.fileno(), fcntl.LOCK_SH)
    except FileNotFoundError:
        return False


def _taken(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _current(folder: Path) -> str:
    try:
        return (folder / "current").readlink().name
    except OSError:
        return ""


def _point(folder: Path, serial: str) -> None:
    """Set ``current``, in one step."""
    fresh = folder / ".current.new"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(Path("records") / serial)
    fresh.replace(folder / "current")
    _on_disk(folder)


def _forget(folder: Path, kept: set[str]) -> None:
    for path in (folder / "records").iterdir():
        if path.name not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _files(folder: Path) -> dict[str, str]:
    found = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.startswith("."))
    return {str(path.relative_to(folder)): path.read_text(encoding="utf-8", errors="replace") for path in found}


def _write(path: Path, text: str) -> None:
    """Replace a file in one step; its text is on the disk before it has its name."""
    fresh = path.with_name(f".{path.name}.new")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    _on_disk(path.parent)


def _on_disk(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    main()
