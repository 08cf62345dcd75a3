"""What a tag means is read from the registry's own bytes."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path

import pytest

from du_infra.engines import skopeo
from du_infra.errors import EngineFailed, SpecError, Unreachable

OURS = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
CONFIG = json.dumps({"architecture": "riscv64"})
IMAGE = json.dumps({"layers": [{"size": 1_500_000}, {"size": 600_000}]})
INDEX = json.dumps(
    {
        "manifests": [
            {"digest": "sha256:other", "platform": {"architecture": "other"}},
            {"digest": "sha256:ours", "platform": {"architecture": OURS}},
            {"digest": "sha256:attestation", "platform": {"architecture": "unknown"}},
        ]
    }
)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the registry has, a file for each reference; words on stderr where there is none."""
    program = tmp_path / "bin" / "skopeo"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nfor last; do :; done\ncase "$*" in *--config*) what="--config ";; esac\ncd {tmp_path}\n'
        'cat -- "$what${last##*/}" || { cat words >&2; exit 1; }\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    (tmp_path / "words").write_text("manifest unknown")
    return tmp_path


def test_the_digest_is_that_of_the_manifests_own_bytes(registry: Path) -> None:
    digest = f"sha256:{hashlib.sha256(IMAGE.encode()).hexdigest()}"
    (registry / "hello:v1").write_text(IMAGE)
    (registry / f"--config hello@{digest}").write_text(CONFIG)
    found = skopeo.inspect("r/hello", "v1")
    assert found == skopeo.Image(digest, 3, ("riscv64",))
    assert skopeo.digest("r/hello", "v1") == found.digest


def test_an_image_for_several_architectures_has_the_size_of_this_machines(registry: Path) -> None:
    (registry / "hello:v1").write_text(INDEX)
    (registry / "hello@sha256:ours").write_text(IMAGE)
    assert skopeo.inspect("r/hello", "v1") == skopeo.Image(
        f"sha256:{hashlib.sha256(INDEX.encode()).hexdigest()}", 3, tuple(sorted((OURS, "other")))
    )


@pytest.mark.parametrize(
    ("words", "kind"),
    [("manifest unknown", SpecError), ("connection refused", Unreachable), ("access denied", EngineFailed)],
)
def test_what_the_registry_says_is_told_apart(registry: Path, words: str, kind: type[Exception]) -> None:
    (registry / "words").write_text(words)
    with pytest.raises(kind):
        skopeo.inspect("r/hello", "v1")
