"""The fleet's SSH key, made once by ssh-keygen; the private half never leaves its file."""

from __future__ import annotations

from pathlib import Path

from du_infra.engines.process import run


def ensure_key(path: Path) -> str:
    """The public key line that belongs to the private key at ``path``, made if it is not there.

    A half-made pair (a kill between the two files) is completed from the private half.
    Raises ToolMissing without ssh-keygen.
    """
    public = path.with_name(path.name + ".pub")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        making = path.with_name(f".{path.name}.making")
        making.unlink(missing_ok=True)
        _keygen("-q", "-t", "ed25519", "-N", "", "-C", "du-infra", "-f", str(making))
        making.with_name(making.name + ".pub").unlink()
        making.rename(path)
    if not public.exists():
        public.write_text(_keygen("-y", "-f", str(path)), encoding="utf-8")
    return public.read_text(encoding="utf-8").strip()


def _keygen(*arguments: str) -> str:
    return run(["ssh-keygen", *arguments], what="make the fleet's SSH key").decode()
