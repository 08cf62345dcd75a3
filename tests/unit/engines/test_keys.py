"""The fleet's key is made once, whole, whoever asks and whenever they are killed."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

from du_infra.engines.keys import ensure_key

ASK = "import sys, pathlib; from du_infra.engines.keys import ensure_key; print(ensure_key(pathlib.Path(sys.argv[1])))"


def public_half(private: Path) -> str:
    return subprocess.check_output(["ssh-keygen", "-y", "-f", private], text=True).strip()


def test_a_key_is_made_for_its_owner_only_and_then_kept(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "id_ed25519"
    line = ensure_key(key)
    assert line.startswith("ssh-ed25519 ")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert ensure_key(key) == line


def test_those_who_ask_at_once_get_the_same_key_and_its_own_public_half(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "id_ed25519"
    argv = [sys.executable, "-c", ASK, str(key)]
    askers = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = {asker.communicate(timeout=60)[0].strip() for asker in askers}
    assert [asker.returncode for asker in askers] == [0, 0, 0, 0]
    assert answers == {public_half(key)}


def test_a_pair_that_a_kill_left_half_made_is_completed(tmp_path: Path) -> None:
    key = tmp_path / "keys" / "id_ed25519"
    line = ensure_key(key)
    key.with_name("id_ed25519.pub").unlink()
    key.with_name(".id_ed25519.making").write_text("half a key")
    assert ensure_key(key) == line == public_half(key)
