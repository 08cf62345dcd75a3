"""Skopeo: asks a registry, with the user's own credentials, which image a tag means."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from du_infra.engines.process import need
from du_infra.errors import DuError, EngineFailed, SpecError, Unreachable

_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Image:
    """What a registry has under a tag: the digest ("sha256:…"), the size of its layers as they are stored, in MB, and
    the architectures that it is made for, in the words of images ("amd64").

    Of an image for several architectures, the size is that of this machine's.
    """

    digest: str
    size_mb: int
    architectures: tuple[str, ...] = ()


def digest(image: str, tag: str, *, plain_http: bool = False) -> str:
    """The digest of ``image:tag`` in its registry. Raises what :func:`inspect` does."""
    return inspect(image, tag, plain_http=plain_http).digest


def inspect(image: str, tag: str, *, plain_http: bool = False) -> Image:
    """What ``image:tag`` is in its registry.

    Raises SpecError when the registry has no such image, Unreachable when it does not answer, ToolMissing
    without skopeo.
    """
    raw = _ask(f"{image}:{tag}", plain_http)
    digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
    manifest = json.loads(raw)
    if choices := manifest.get("manifests"):
        made_for = [_architecture(one.get("platform")) for one in choices]
        manifest = json.loads(_ask(f"{image}@{_of_this_machine(choices)}", plain_http))
    else:
        made_for = [_architecture(json.loads(_ask(f"{image}@{digest}", plain_http, "--config")))]
    size_mb = -(-sum(layer["size"] for layer in manifest.get("layers", ())) // 1_000_000)
    return Image(digest, size_mb, tuple(sorted({one for one in made_for if one})))


def _architecture(about: Mapping[str, Any] | None) -> str:
    """Of an image's platform or configuration; "" where it says none, as what stands beside images in an index does."""
    found = str((about or {}).get("architecture") or "")
    return "" if found == "unknown" else found


def _ask(reference: str, plain_http: bool, *what: str) -> bytes:
    """The manifest's own bytes: their SHA-256 is the digest (OCI image specification, "descriptor"). Or ``what``."""
    command = [need("skopeo"), "inspect", "--raw", *what, *(["--tls-verify=false"] if plain_http else [])]
    try:
        done = subprocess.run(
            [*command, f"docker://{reference}"], capture_output=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Unreachable("the registry does not answer", where=reference, todo="check the network") from error
    if done.returncode == 0:
        return done.stdout
    raise _failure(reference, done.stderr.decode(errors="replace"))


def _of_this_machine(choices: Sequence[Mapping[str, Any]]) -> str:
    """The digest of an index's image for this machine's architecture; of its first one when it has none."""
    ours = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    fitting = [one for one in choices if (one.get("platform") or {}).get("architecture") == ours]
    return str((fitting or choices)[0]["digest"])


def _failure(reference: str, words: str) -> DuError:
    if "manifest unknown" in words or "name unknown" in words or "not found" in words:
        todo = "check image and tag in fleet.yaml; has the image been pushed?"
        return SpecError("the registry has no such image", where=reference, todo=todo, detail=words)
    if re.search(r"connection refused|no such host|i/o timeout|no route|unreachable|EOF", words):
        return Unreachable("the registry does not answer", where=reference, todo="is it running?", detail=words)
    if re.search(r"unauthorized|denied", words):
        todo = "log in with `skopeo login`; nodes pull public images only, today"
        return EngineFailed("the registry refuses us", where=reference, todo=todo, detail=words)
    return EngineFailed("the image cannot be looked up", where=reference, detail=words)
