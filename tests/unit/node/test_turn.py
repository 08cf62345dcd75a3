"""One table after the other, whoever brings them, and nobody who was killed keeps his turn."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from du_node import places
from du_node.gateway.turn import turn


@pytest.fixture(autouse=True)
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(places, "RUN", str(tmp_path))
    monkeypatch.setattr(places, "TURN", str(tmp_path / "turn"))


def test_turns_do_not_overlap() -> None:
    seen: list[str] = []

    def change(name: str) -> None:
        with turn():
            seen.append(f"{name} begins")
            time.sleep(0.02)
            seen.append(f"{name} ends")

    threads = [threading.Thread(target=change, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(seen[n].split()[0] == seen[n + 1].split()[0] for n in range(0, 6, 2)), seen


def test_who_is_killed_in_his_turn_does_not_keep_it(tmp_path: Path) -> None:
    script = f"""
import time
from du_node import places
places.RUN, places.TURN = {str(tmp_path)!r}, {places.TURN!r}
from du_node.gateway.turn import turn
with turn():
    print("mine", flush=True)
    time.sleep(60)
"""
    argv = [sys.executable, "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[3]) as process:
        assert process.stdout and process.stdout.readline() == "mine\n"
        process.kill()
    with turn():
        pass
