"""Packs du-node into one executable file: the same bytes for the same source, on every machine."""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from du_infra.errors import ToolMissing

# -I and -S: nothing of the node's user or site may change what runs, and starting is quicker.
_SHEBANG = b"#!/usr/bin/python3 -IS\n"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ENTRY = b"import sys\nfrom du_node.__main__ import main\nsys.exit(main(sys.argv[1:]))\n"


def build(folder: Path) -> tuple[Path, str]:
    """Write du-node into ``folder``; its path and the sha256 of its content.

    The file's name carries the first 12 digits of that hash, so a file that exists is never written again.
    Raises ToolMissing when the installation lacks the package du_node.
    """
    content = _SHEBANG + _archive()
    digest = hashlib.sha256(content).hexdigest()
    path = folder / f"du-node-{digest[:12]}.pyz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        fresh = path.with_suffix(f".{os.getpid()}.new")  # another command may be writing the same
        fresh.write_bytes(content)
        fresh.chmod(0o755)
        fresh.replace(path)
    return path, digest


def _archive() -> bytes:
    """The package as a zip without compression: quicker to import than what has to be unpacked."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(_sources()):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, wherever it is built
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data)
    return whole.getvalue()


def _sources() -> Iterator[tuple[str, bytes]]:
    yield "__main__.py", _ENTRY
    try:
        package = resources.files("du_node")
    except ModuleNotFoundError as missing:
        raise ToolMissing("du-infra's own package du_node is missing", todo="reinstall du-infra") from missing
    yield from _below(package, "du_node")


def _below(folder: Traversable, name: str) -> Iterator[tuple[str, bytes]]:
    for item in folder.iterdir():
        inner = f"{name}/{item.name}"
        if item.is_dir():
            yield from _below(item, inner)
        elif item.name.endswith(".py"):
            yield inner, item.read_bytes()
