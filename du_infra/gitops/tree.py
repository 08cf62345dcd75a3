"""Which files a Kustomize tree and a Helm chart consist of, as data. Pure: no I/O.

Both hold the very same files of objects; the chart's one template sets what its values say in them. Sources:
kustomize.io, "kustomization"; helm.sh, "Charts", "Accessing Files Inside Templates".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from du_infra.gitops.objects import AUTOSCALER, WORKLOAD, objects_of
from du_infra.spec import FleetSpec, ServiceSpec

Json: TypeAlias = dict[str, Any]
Files: TypeAlias = dict[str, Json | str]
"""Path → an object, written as YAML, or a text as it is."""

_TEMPLATE = """\
{{- /* The objects of each service in objects/, with what the values say about them. */ -}}
{{- range $name, $service := .Values.services }}
{{- if $service.enabled }}
{{- range $path, $_ := $.Files.Glob (printf "objects/%s/*.yaml" $name) }}
{{- $object := $.Files.Get $path | fromYaml }}
{{- if or $service.autoscaler (ne $object.kind "HorizontalPodAutoscaler") }}
{{- $_ := set $object.metadata "namespace" $.Values.namespace }}
{{- if $object.spec.template }}
{{- $_ := set (first $object.spec.template.spec.containers) "image" $service.image }}
{{- if $service.autoscaler }}
{{- $_ := unset $object.spec "replicas" }}
{{- else }}
{{- $_ := set $object.spec "replicas" (int $service.replicas) }}
{{- end }}
{{- end }}
---
{{ toYaml $object }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
"""


def kustomize(fleet: FleetSpec, regions: Mapping[str, Mapping[str, ServiceSpec]]) -> Files:
    """A base for each service, and an overlay for each region, which has the services of ``regions``."""
    files: Files = {}
    for name, spec in _services(regions).items():
        made = objects_of(name, spec, fleet.fleet)
        parts = [part for part in made if part != AUTOSCALER]
        files |= {f"base/{name}/{part}.yaml": made[part] for part in parts}
        files[f"base/{name}/kustomization.yaml"] = _kustomization(resources=[f"{part}.yaml" for part in sorted(parts)])
    for region, services in regions.items():
        files |= _overlay(fleet, region, services)
    return files


def helm(fleet: FleetSpec, regions: Mapping[str, Mapping[str, ServiceSpec]]) -> Files:
    """A chart with all services; the values of a region say which it runs."""
    known = _services(regions)
    files: Files = {
        "Chart.yaml": {"apiVersion": "v2", "name": fleet.fleet, "version": "0.1.0", "type": "application"},
        "templates/objects.yaml": _TEMPLATE,
    }
    for name, spec in known.items():
        made = objects_of(name, spec, fleet.fleet)
        files |= {f"objects/{name}/{part}.yaml": one for part, one in made.items()}
    usual = {name: _values(spec) for name, spec in known.items()}
    files["values.yaml"] = {"namespace": fleet.fleet, "services": usual}
    for region, services in regions.items():
        chosen = {
            name: {"enabled": name in services, "autoscaler": name in services and autoscaled(fleet, region, spec)}
            for name, spec in known.items()
        }
        files[f"values-{region}.yaml"] = {"services": chosen}
    return files


def autoscaled(fleet: FleetSpec, region: str, spec: ServiceSpec) -> bool:
    """Whether the cluster itself scales a service there: it can where it has metrics."""
    return fleet.regions[region].k3s.metrics_server and spec.replicas.most > spec.replicas.min


def _services(regions: Mapping[str, Mapping[str, ServiceSpec]]) -> dict[str, ServiceSpec]:
    return {name: spec for services in regions.values() for name, spec in services.items()}


def _values(spec: ServiceSpec) -> Json:
    image = f"{spec.image}:{spec.tag}"
    return {"enabled": True, "image": image, "replicas": spec.replicas.min, "autoscaler": False}


def _overlay(fleet: FleetSpec, region: str, services: Mapping[str, ServiceSpec]) -> Files:
    files: Files = {}
    resources, patches = [f"../../base/{name}" for name in services], []
    for name, spec in services.items():
        if autoscaled(fleet, region, spec):
            file = f"{name}-{AUTOSCALER}.yaml"
            made = objects_of(name, spec, fleet.fleet)
            files[f"overlays/{region}/{file}"] = made[AUTOSCALER]
            resources.append(file)
            target = {"kind": made[WORKLOAD]["kind"], "name": name}
            patches.append({"target": target, "patch": json.dumps([{"op": "remove", "path": "/spec/replicas"}])})
    more = {"patches": patches} if patches else {}
    files[f"overlays/{region}/kustomization.yaml"] = _kustomization(resources=resources, **more)
    return files


def _kustomization(**told: Any) -> Json:
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", **told}
