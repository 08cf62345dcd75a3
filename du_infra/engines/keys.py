"""The fleet's SSH key, made once by ssh-keygen; the private half never leaves its file."""

from __future__ import annotations

from pathlib import Path

from du_infra.engines.lock import exclusive
from du_infra.engines.process import run
from du_infra.progress import silent

_WAIT_SECONDS = 30.0


def ensure_key(path: Path) -> str:
    """The public key line that belongs to the private key at ``path``, made if it is not there.

    Two regions may ask at once, and get the same. A half-made pair (a kill between the two files) is completed
    from the private half. Raises ToolMissing without ssh-keygen.
    """
    public = path.with_name(path.name + ".pub")
    if not (path.exists() and public.exists()):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusive(path.with_name(".lock"), what="the fleet's SSH key", report=silent, wait=_WAIT_SECONDS):
            _complete(path, public)
    return public.read_text(encoding="utf-8").strip()


def _complete(path: Path, public: Path) -> None:
    making = path.with_name(f".{path.name}.making")
    if not path.exists():
        making.unlink(missing_ok=True)
        _keygen("-q", "-t", "ed25519", "-N", "", "-C", "du-infra", "-f", str(making))
        making.with_name(making.name + ".pub").unlink()
        making.rename(path)
    if not public.exists():
        making.write_text(_keygen("-y", "-f", str(path)), encoding="utf-8")
        making.rename(public)


def _keygen(*arguments: str) -> str:
    return run(["ssh-keygen", *arguments], what="make the fleet's SSH key").decode()
