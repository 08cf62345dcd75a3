"""The stand-in for K3s's binary, and the pause image that its pods need: built from Go sources, kept by recipe.

`python -m tests.k3s.build` builds both and says where they are. docs/k3s-standin.md says what the stand-in is.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from du_infra import paths
from du_infra.engines import skopeo
from du_infra.engines.download import workshop
from du_infra.engines.lock import exclusive
from du_infra.engines.process import contained, run
from du_infra.errors import SpecError, ToolMissing
from du_infra.local import registry
from du_infra.pool.lxd.site import HERE, Site
from du_infra.progress import Event, Reporter, silent

STAGE = "K3s stand-in"
SOURCES = Path(__file__).parent / "standin"
PAUSE = Path(__file__).parent / "pause" / "pause.go"

_GO_MINIMUM = (1, 24)
_TAGS = "providerless,netgo,osusergo,sqlite_omit_load_extension"
_SECONDS = 3600
_OTHER_BUILD_SECONDS = 3600.0
_KUBERNETES = re.compile(r"k8s\.io/kubernetes v(\d+)\.(\d+)\.(\d+)")


def kubernetes_version() -> tuple[int, int, int]:
    """The Kubernetes in the stand-in, from its go.mod."""
    found = _KUBERNETES.search((SOURCES / "go.mod").read_text(encoding="utf-8"))
    assert found is not None
    major, minor, patch = found.groups()
    return int(major), int(minor), int(patch)


def version() -> str:
    """What the stand-in says of itself: "v1.34.4+k3s1-standin"."""
    return "v{}.{}.{}+k3s1-standin".format(*kubernetes_version())


def binary(report: Reporter = silent, named: str = "") -> Path:
    """The stand-in's binary, from the cache or built now: minutes from nothing, with Go's own cache much less.

    ``named``: what it says as its version in place of its own; only linking is new then.

    Raises ToolMissing without Go or a C compiler (SQLite is C), EngineFailed with the compiler's last words.
    """
    go = _go()
    need_compiler()
    named = named or version()
    parts = {"go": go_version(go), "architecture": platform.machine(), "version": named, "flags": _flags(named)}
    target = paths.cache() / "tools" / f"k3s-standin-{_recipe(parts, SOURCES)}"
    with exclusive(paths.run() / "k3s-standin.lock", what=STAGE, report=report, wait=_OTHER_BUILD_SECONDS):
        if not target.exists():
            report(Event("step", STAGE, f"building Kubernetes {named}; this takes some minutes"))
            with workshop(target.parent) as folder:
                made = folder / "k3s"
                _build(go, [*_flags(named), "-o", str(made), "."], SOURCES, {"CGO_ENABLED": "1"})
                made.replace(target)
    return target


def pause(report: Reporter = silent, site: Site = HERE) -> str:
    """Have the local registry hold the pause image; returns what nodes call it."""
    go = _go()
    tag = _recipe({"go": go_version(go), "architecture": platform.machine()}, PAUSE)
    registry.ensure(report, site)
    with exclusive(paths.run() / "k3s-standin.lock", what=STAGE, report=report, wait=_OTHER_BUILD_SECONDS):
        layout = paths.cache() / "samples" / f"pause-{tag}"
        if not layout.exists():
            _make_pause(go, layout, tag)
        if not _pushed(tag, site):
            options = ["--quiet", "--preserve-digests", "--dest-tls-verify=false"]
            target = f"docker://{site.registry}/pause:{tag}"
            run(["skopeo", "copy", *options, f"oci:{layout}:{tag}", target], what="push the pause image")
    return f"{site.registry_name}:{site.registry_port}/pause:{tag}"


def need_compiler() -> None:
    """Raise ToolMissing without a C compiler."""
    if not shutil.which("gcc") and not shutil.which("cc"):
        raise ToolMissing("the K3s stand-in needs a C compiler for SQLite", todo="install gcc (`apt-get install gcc`)")


def go_version(go: str) -> str:
    """What Go says of itself: "go1.24.11"."""
    return run([go, "env", "GOVERSION"], what="ask Go for its version", env={"GOTOOLCHAIN": "local"}).decode().strip()


def _go() -> str:
    wanted = "{}.{}".format(*_GO_MINIMUM)
    todo = f"install Go {wanted} or newer, and have it on PATH"
    go = shutil.which("go")
    if go is None:
        raise ToolMissing("the K3s stand-in is built with Go, which is not installed", todo=todo)
    found = re.match(r"go(\d+)\.(\d+)", go_version(go))
    if found is None or (int(found[1]), int(found[2])) < _GO_MINIMUM:
        raise ToolMissing(f"the K3s stand-in needs Go {wanted}; {go} is {go_version(go)}", todo=todo)
    return go


def _flags(named: str) -> list[str]:
    major, minor, _ = kubernetes_version()
    base = "k8s.io/component-base/version"
    told = {"main.version": named, f"{base}.gitVersion": named}
    told |= {f"{base}.gitMajor": str(major), f"{base}.gitMinor": str(minor)}
    linker = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in told.items())])
    return ["-trimpath", "-tags", _TAGS, "-ldflags", linker]


def _build(go: str, options: list[str], folder: Path, env: Mapping[str, str]) -> None:
    """Go checks every module against go.sum."""
    command = contained([go, "build", *options])
    run(command, what="build the K3s stand-in", timeout=_SECONDS, env={"GOTOOLCHAIN": "local", **env}, cwd=folder)


def _recipe(parts: Mapping[str, object], sources: Path) -> str:
    """12 hex digits that change with anything that changes what is built."""
    files = sorted(sources.glob("*")) if sources.is_dir() else [sources]
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file()}
    whole = json.dumps({**parts, "files": hashes}, sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()[:12]


def _make_pause(go: str, layout: Path, tag: str) -> None:
    """An image of one static program, as the sample images are made. Whole or not at all."""
    with workshop(layout.parent) as folder:
        made, program = folder / "layout", folder / "pause"
        _build(go, ["-trimpath", "-ldflags", "-s -w", "-o", str(program), str(PAUSE)], folder, {"CGO_ENABLED": "0"})
        for command in (
            ["init", "--layout", str(made)],
            ["new", "--image", f"{made}:{tag}"],
            ["insert", "--image", f"{made}:{tag}", str(program), "/pause"],
            ["config", "--image", f"{made}:{tag}", "--config.entrypoint", "/pause", "--config.user", "65534:65534"],
        ):
            run(["umoci", *command], what="make the pause image")
        made.replace(layout)


def _pushed(tag: str, site: Site) -> bool:
    try:
        return bool(skopeo.digest(f"{site.registry}/pause", tag, plain_http=True))
    except SpecError:
        return False


if __name__ == "__main__":
    print(binary(), pause())
