"""The sample images: ``hello`` in several tags, made here from Debian's Python, pushed to the local registry."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from du_infra import paths
from du_infra.assets import asset
from du_infra.engines import skopeo
from du_infra.engines.download import need_space, workshop
from du_infra.engines.lock import exclusive
from du_infra.engines.process import contained, need, run
from du_infra.errors import EngineFailed, SpecError
from du_infra.local import registry
from du_infra.pool.lxd.recipe import SUITE
from du_infra.pool.lxd.site import HERE, Site
from du_infra.progress import Event, Reporter

STAGE = "sample images"
REPOSITORY = "hello"

TAGS: Mapping[str, Mapping[str, str]] = {
    "v1": {"HELLO_VERSION": "v1"},
    "v2": {"HELLO_VERSION": "v2"},
    "slow-start": {"HELLO_VERSION": "slow-start", "HELLO_READY_AFTER": "5"},
    "never-ready": {"HELLO_VERSION": "never-ready", "HELLO_READY": "no"},
    "no-readyz": {"HELLO_VERSION": "no-readyz", "HELLO_READY": "missing"},
    "crash-after-5s": {"HELLO_VERSION": "crash-after-5s", "HELLO_CRASH_AFTER": "5"},
    "errors-3-percent": {"HELLO_VERSION": "errors-3-percent", "HELLO_ERRORS_PERCENT": "3"},
    "slow": {"HELLO_VERSION": "slow", "HELLO_LATENCY_FACTOR": "2"},
    "leaky": {"HELLO_VERSION": "leaky", "HELLO_LEAK_MB": "10"},
    "exits-at-once": {"HELLO_VERSION": "exits-at-once", "HELLO_ON_SIGTERM": "exit"},
    "ignores-sigterm": {"HELLO_VERSION": "ignores-sigterm", "HELLO_ON_SIGTERM": "ignore"},
    "websocket": {"HELLO_VERSION": "websocket"},
}
"""Tag → the environment that makes the one program behave as that tag says. docs/local-cloud.md tells what each is for;
``websocket`` is a plain copy under a name of its own, because every tag speaks websocket."""

_PACKAGES = ("python3.11-minimal", "libpython3.11-stdlib")
_NOT_NEEDED = ("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/lib/python3.11/lib2to3")
_NOBODY = "65534:65534"
_NEEDED = 400_000_000
"""Bytes of disk that making them takes at its fullest."""
_BUILD_SECONDS = 300
_OTHER_BUILD_SECONDS = 300.0


def wanted(images: Mapping[str, Sequence[str]], site: Site = HERE) -> list[str]:
    """The sample tags among ``images`` (repository → tags asked for)."""
    ours = f"{site.registry_name}:{site.registry_port}/{REPOSITORY}"
    return [tag for tag in images.get(ours, ()) if tag in TAGS]


def ensure(tags: Iterable[str], report: Reporter, site: Site = HERE, *, force: bool = False) -> list[str]:
    """Have the local registry hold these tags of ``hello``; returns those that were pushed now.

    Images are made once, kept under the hash of everything they are made of, and made again with ``force``.
    Raises ToolMissing, or EngineFailed with the failing tool's last words.
    """
    tags = list(tags)
    if not tags:
        return []
    with exclusive(paths.run() / "samples.lock", what=STAGE, report=report, wait=_OTHER_BUILD_SECONDS):
        layout = _layout()
        if force:
            shutil.rmtree(layout, ignore_errors=True)
        if not layout.exists():
            _build(layout, report)
        digests = _digests(layout)
        missing = [tag for tag in tags if _pushed(tag, site) != digests[tag]]
        for tag in missing:
            report(Event("step", STAGE, f"pushing {REPOSITORY}:{tag}"))
            _push(layout, tag, site)
    return missing


def _layout() -> Path:
    """The OCI layout of today's recipe."""
    parts = [
        SUITE,
        _PACKAGES,
        _NOT_NEEDED,
        {tag: dict(settings) for tag, settings in TAGS.items()},
        {path.name: path.read_text() for path in _program()},
    ]
    recipe = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
    return paths.cache() / "samples" / f"hello-{recipe}"


def _program() -> list[Path]:
    """Its files; what Python may have compiled beside them is not among them."""
    return sorted((asset("samples") / "hello").glob("*.py"))


def _build(layout: Path, report: Reporter) -> None:
    """One layer of Python for all tags, one of the program, and the tags as settings on top. Whole or not at all."""
    for tool in ("mmdebstrap", "umoci", "skopeo"):
        need(tool)
    need_space(layout.parent, _NEEDED, "the sample images")
    report(Event("step", STAGE, f"making {REPOSITORY} ({', '.join(TAGS)})"))
    with workshop(layout.parent) as folder:
        made, root = folder / "layout", folder / "root"
        _bootstrap(root)
        _umoci("init", "--layout", str(made))
        _umoci("new", "--image", f"{made}:base")
        _umoci("insert", "--image", f"{made}:base", str(root), "/")
        _umoci("insert", "--image", f"{made}:base", str(_copied(_program(), folder / "program")), "/hello")
        for tag, settings in TAGS.items():
            _umoci("config", "--image", f"{made}:base", "--tag", tag, *_settings(settings))
        made.replace(layout)


def _copied(files: Iterable[Path], folder: Path) -> Path:
    """A folder with these files, readable for the user that the program runs as."""
    folder.mkdir()
    folder.chmod(0o755)
    for file in files:
        shutil.copyfile(file, folder / file.name)
        (folder / file.name).chmod(0o644)
    return folder


def _bootstrap(root: Path) -> None:
    options = ["--mode=root", "--variant=extract", "--format=directory", f"--include={','.join(_PACKAGES)}"]
    # The packages are only unpacked: no script of theirs runs, and nothing needs a kernel file system.
    command = contained(["mmdebstrap", *options, "--skip=check/empty,cleanup/apt", SUITE, str(root)])
    run(command, what="make the sample image's file system", timeout=_BUILD_SECONDS)
    for name in _NOT_NEEDED:
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("etc/apt", "var"):
        shutil.rmtree(root / name, ignore_errors=True)


def _settings(environment: Mapping[str, str]) -> list[str]:
    options = ["--config.entrypoint", "/usr/bin/python3.11", "--config.entrypoint", "/hello/app.py"]
    options += ["--config.user", _NOBODY, "--config.exposedports", "8080/tcp"]
    pairs = {"PYTHONDONTWRITEBYTECODE": "1", **environment}
    return options + [word for key, value in pairs.items() for word in ("--config.env", f"{key}={value}")]


def _umoci(*arguments: str) -> None:
    run(["umoci", *arguments], what="make the sample image")


def _digests(layout: Path) -> dict[str, str]:
    """Tag → digest, from the layout's index (OCI image layout, "org.opencontainers.image.ref.name")."""
    index = json.loads((layout / "index.json").read_text(encoding="utf-8"))
    found = {m["annotations"]["org.opencontainers.image.ref.name"]: m["digest"] for m in index["manifests"]}
    if absent := TAGS.keys() - found.keys():
        raise EngineFailed("the sample images are not whole", where=str(layout), detail=", ".join(absent))
    return found


def _pushed(tag: str, site: Site) -> str:
    """The digest that the registry has under a tag; "" when it has none."""
    try:
        return skopeo.digest(f"{site.registry}/{REPOSITORY}", tag, plain_http=True)
    except SpecError:
        return ""


def _push(layout: Path, tag: str, site: Site) -> None:
    target = f"docker://{site.registry}/{REPOSITORY}:{tag}"
    options = ["--quiet", "--preserve-digests", "--dest-tls-verify=false"]
    run(["skopeo", "copy", *options, f"oci:{layout}:{tag}", target], what=f"push {REPOSITORY}:{tag}")


def ensure_all(report: Reporter, site: Site = HERE, *, force: bool = False) -> list[str]:
    """Run the registry and have it hold every sample tag; returns what was pushed now."""
    registry.ensure(report, site)
    return ensure(TAGS, report, site, force=force)
