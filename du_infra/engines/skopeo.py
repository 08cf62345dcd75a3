"""Skopeo: asks a registry, with the user's own credentials, which image a tag means."""

from __future__ import annotations

import re
import subprocess

from du_infra.engines.process import need
from du_infra.errors import DuError, EngineFailed, SpecError, Unreachable

_TIMEOUT_SECONDS = 30
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def digest(image: str, tag: str, *, plain_http: bool = False) -> str:
    """The digest ("sha256:…") of ``image:tag`` in its registry.

    Raises SpecError when the registry has no such image, Unreachable when it does not answer, ToolMissing
    without skopeo.
    """
    command = [need("skopeo"), "inspect", "--no-tags", "--format", "{{.Digest}}"]
    command += ["--tls-verify=false"] if plain_http else []
    reference = f"{image}:{tag}"
    try:
        done = subprocess.run(
            [*command, f"docker://{reference}"], capture_output=True, text=True, timeout=_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Unreachable("the registry does not answer", where=reference, todo="check the network") from error
    if done.returncode == 0 and (found := _DIGEST.search(done.stdout)):
        return found[0]
    raise _failure(reference, done.stderr)


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
