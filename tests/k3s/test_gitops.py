"""What Git gets is what kubectl and Helm make of it: the same objects, which an API server takes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import du_infra
from du_infra.paths import cache
from tests.k3s import bed, build
from tests.unit.gitops.test_tree import FLEET

_RENDER = Path(__file__).parent / "render"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The fleet, rendered both ways."""
    made = tmp_path_factory.mktemp("gitops")
    (made / "fleet.yaml").write_text(FLEET)
    for kind in ("kustomize", "helm"):
        du_infra.load(made / "fleet.yaml").render(kind, made / kind)
    return made


@pytest.fixture(scope="module")
def helm() -> Path:
    """Helm's own renderer, built from its Go module."""
    made = cache() / "tools" / "chart-render"
    argv = ["go", "build", "-trimpath", "-o", str(made), "."]
    subprocess.run(argv, cwd=_RENDER, env={**os.environ, "CGO_ENABLED": "0"}, check=True, timeout=1800)
    return made


def said(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout


def objects(text: str) -> list[dict[str, Any]]:
    """The objects in a stream of YAML, in an order of their own."""
    found = [made for made in YAML(typ="safe", pure=True).load_all(text) if made]
    return sorted(found, key=lambda made: (made["kind"], made["metadata"]["name"]))


def kustomized(folder: Path, region: str) -> str:
    return said(str(build.binary()), "kubectl", "kustomize", str(folder / "kustomize" / "overlays" / region))


@pytest.mark.skipif(shutil.which("go") is None, reason="Helm's renderer is built with Go")
@pytest.mark.parametrize("region", ["home", "away"])
def test_kubectl_and_helm_make_the_same_of_it(folder: Path, helm: Path, region: str) -> None:
    chart = said(str(helm), str(folder / "helm"), str(folder / "helm" / f"values-{region}.yaml"))
    made = objects(kustomized(folder, region))
    assert objects(chart) == made
    kinds = {(one["kind"], one["metadata"]["name"]): one for one in made}
    assert (("StatefulSet", "shop") in kinds, ("HorizontalPodAutoscaler", "api") in kinds) == (
        region == "home",
        region == "away",
    )
    assert kinds["Deployment", "api"]["spec"].get("replicas") == (2 if region == "home" else None)


@pytest.mark.lxd
def test_an_api_server_takes_it(folder: Path) -> None:
    with bed.nodes(1) as (server,):
        server.configure("server")
        server.start("server")
        server.wait_ready(server.name)
        server.kubectl("create", "namespace", "demo")
        for region in ("home", "away"):
            told = objects(kustomized(folder, region))
            stdin = json.dumps({"apiVersion": "v1", "kind": "List", "items": told})
            taken = server.kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", stdin=stdin)
            assert len(taken.splitlines()) == len(told), taken
