"""What Git gets of a service: the objects that du-node runs, in a Kustomize tree and in a chart alike."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ruamel.yaml import YAML

from du_infra.errors import SpecError
from du_infra.gitops.objects import objects_of
from du_infra.gitops.tree import Files, helm, kustomize
from du_infra.gitops.write import text_of
from du_infra.release.plan import entry_of, release_of
from du_infra.spec import FleetSpec, ServiceSpec, services_of
from du_infra.spec.load import check_text
from du_node.runtime.k3s import objects
from du_node.wanted import parse_service

FLEET = """
fleet: demo
regions:
  home: {provider: lxd, runtime: k3s, services: [api, shop]}
  away: {provider: lxd, runtime: k3s, k3s: {metrics_server: true}, services: [api]}
services:
  api:
    image: registry.local:5000/api
    tag: v1
    port: 8080
    replicas: {min: 2, max: 5, cpu: 60%}
    cpus: 0.5
    memory: 96m
    env: {MONEY: "$5", MODE: "yes", NUMBER: "010", LINES: "a\\nb: c"}
    secrets: {KEY: {env: KEY}}
  shop: {image: registry.local:5000/shop, tag: v3, port: 80, path: /shop, volumes: {data: /data, more: /data/more}}
"""


@pytest.fixture(scope="module")
def fleet() -> FleetSpec:
    spec, complaints = check_text(FLEET)
    assert spec, complaints
    return spec


def regions(fleet: FleetSpec) -> dict[str, dict[str, ServiceSpec]]:
    return {name: services_of(fleet, name) for name in fleet.regions}


def read(files: Files) -> dict[str, Any]:
    """As whoever reads the files sees them; a template stays text."""
    return {
        path: text_of(value) if "templates/" in path else YAML(typ="safe", pure=True).load(text_of(value))
        for path, value in files.items()
    }


def test_the_pods_are_the_very_ones_that_du_node_runs(fleet: FleetSpec) -> None:
    spec = fleet.services["api"].model_copy(update={"secrets": {}})
    record = release_of("api", spec, "sha256:" + "a" * 64)
    ours = objects.copies_of(parse_service(entry_of(record)), 2, (0, 0))["spec"]
    git = objects_of("api", spec, "demo")["workload"]["spec"]
    same = ours["template"]["spec"]["containers"][0] | {"image": "registry.local:5000/api:v1"}
    assert git["template"]["spec"]["containers"] == [same]
    for key in ("strategy", "replicas", "revisionHistoryLimit", "progressDeadlineSeconds"):
        assert git[key] == ours[key]
    for key in ("terminationGracePeriodSeconds", "tolerations", "enableServiceLinks", "automountServiceAccountToken"):
        assert git["template"]["spec"][key] == ours["template"]["spec"][key]


def test_objects_find_one_another(fleet: FleetSpec) -> None:
    made = objects_of("api", fleet.services["api"], "demo")
    labels = made["workload"]["spec"]["template"]["metadata"]["labels"].items()
    for chosen in (
        made["service"]["spec"]["selector"],
        made["budget"]["spec"]["selector"]["matchLabels"],
        made["workload"]["spec"]["selector"]["matchLabels"],
    ):
        assert chosen.items() <= labels
    aim = made["autoscaler"]["spec"]["scaleTargetRef"]
    assert (aim["kind"], aim["name"]) == ("Deployment", made["workload"]["metadata"]["name"])
    assert {one["metadata"]["namespace"] for one in made.values()} == {"demo"}


def test_copies_are_scaled_between_the_bounds_by_what_one_may_use(fleet: FleetSpec) -> None:
    spec = objects_of("api", fleet.services["api"], "demo")["autoscaler"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 5)
    assert spec["metrics"][0]["resource"]["target"] == {"type": "AverageValue", "averageValue": "300m"}
    assert "autoscaler" not in objects_of("shop", fleet.services["shop"], "demo")


def test_no_value_of_a_secret_is_written_and_its_files_can_be_read(fleet: FleetSpec) -> None:
    pod = objects_of("api", fleet.services["api"], "demo")["workload"]["spec"]["template"]["spec"]
    assert pod["volumes"] == [{"name": "secrets", "secret": {"secretName": "api-secrets", "defaultMode": 0o444}}]
    kinds = {one["kind"] for one in objects_of("api", fleet.services["api"], "demo").values()}
    assert kinds == {"Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler"}


def test_a_service_with_volumes_has_claims_that_its_copy_keeps(fleet: FleetSpec) -> None:
    made = objects_of("shop", fleet.services["shop"], "demo")["workload"]
    assert (made["kind"], made["spec"]["serviceName"]) == ("StatefulSet", "shop")
    claims = [claim["metadata"]["name"] for claim in made["spec"]["volumeClaimTemplates"]]
    (container,) = made["spec"]["template"]["spec"]["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert (claims, mounts) == (["data", "more"], {"data": "/data", "more": "/data/more"})
    assert "hostPath" not in json.dumps(made)
    assert not {"strategy", "progressDeadlineSeconds"} & made["spec"].keys()


def test_a_region_has_its_own_services_and_scales_them_where_it_can(fleet: FleetSpec) -> None:
    files = read(kustomize(fleet, regions(fleet)))
    home = files["overlays/home/kustomization.yaml"]
    away = files["overlays/away/kustomization.yaml"]
    assert home["resources"] == ["../../base/api", "../../base/shop"]
    assert "patches" not in home
    assert away["resources"] == ["../../base/api", "api-autoscaler.yaml"]
    (patch,) = away["patches"]
    assert json.loads(patch["patch"]) == [{"op": "remove", "path": "/spec/replicas"}]
    for path, told in files.items():
        if path.endswith("kustomization.yaml"):
            folder = path.rpartition("/")[0]
            for resource in told["resources"]:
                assert (
                    f"{folder}/{resource}" in files or f"{resource.removeprefix('../../')}/kustomization.yaml" in files
                )


def test_the_chart_has_the_very_files_of_the_tree(fleet: FleetSpec) -> None:
    tree, chart = read(kustomize(fleet, regions(fleet))), read(helm(fleet, regions(fleet)))
    for path, made in tree.items():
        if path.startswith("base/") and not path.endswith("kustomization.yaml"):
            assert chart[path.replace("base/", "objects/")] == made
    assert chart["objects/api/autoscaler.yaml"] == tree["overlays/away/api-autoscaler.yaml"]
    usual = chart["values.yaml"]["services"]
    assert usual["api"] == {"enabled": True, "image": "registry.local:5000/api:v1", "replicas": 2, "autoscaler": False}
    assert chart["values-away.yaml"]["services"] == {
        "api": {"enabled": True, "autoscaler": True},
        "shop": {"enabled": False, "autoscaler": False},
    }


def test_texts_stay_texts_and_the_same_is_written_twice(fleet: FleetSpec) -> None:
    files = kustomize(fleet, regions(fleet))
    (container,) = read(files)["base/api/workload.yaml"]["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    assert env == {"MONEY": "$$5", "MODE": "yes", "NUMBER": "010", "LINES": "a\nb: c"}
    again = kustomize(fleet, regions(fleet))
    assert {path: text_of(value) for path, value in files.items()} == {p: text_of(v) for p, v in again.items()}
    text = text_of(files["base/api/workload.yaml"])
    assert "&" not in text
    assert 'value: "yes"' in text, "Helm reads YAML 1.1"


def test_what_du_node_would_not_take_is_not_rendered(fleet: FleetSpec) -> None:
    odd = ServiceSpec.model_validate({"image": "x", "port": 80, "env": {"PATH": "a\nb"}})
    with pytest.raises(SpecError, match="PATH"):
        objects_of("odd", odd, "demo")
