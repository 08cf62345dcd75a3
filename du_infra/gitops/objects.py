"""The objects of a service as Git holds them, by the code that makes du-node's own. Pure: no I/O.

What differs from du-node's: there is one Deployment for a service instead of one for each release, volumes are claims,
and a HorizontalPodAutoscaler can scale it. Sources: the Kubernetes API reference (StatefulSet v1 apps,
HorizontalPodAutoscaler v2 autoscaling).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

from du_infra.errors import SpecError
from du_infra.release.plan import entry_of, release_of
from du_infra.spec import ServiceSpec
from du_node.errors import NodeError
from du_node.runtime.k3s import objects
from du_node.runtime.k3s.names import OURS, SERVICE
from du_node.state import Service
from du_node.wanted import parse_service

Json: TypeAlias = dict[str, Any]

AUTOSCALER = "autoscaler"
WORKLOAD = "workload"
_CLAIM = "1Gi"
_NOT_PULLED = f"sha256:{0:064}"
_ANYBODY = 0o444
"""A container's secret files: whom its image runs as is not known here, and nobody else sees them."""


def objects_of(name: str, spec: ServiceSpec, namespace: str) -> dict[str, Json]:
    """The objects by what they are for: workload, service, budget; autoscaler where the number of copies may change.

    Raises SpecError for a service that du-node would not take.
    """
    service = _service(name, spec)
    chosen = {SERVICE: name}
    workload = objects.deployment(service, name, chosen, secret_name(name))
    workload["spec"]["replicas"] = spec.replicas.min
    for volume in workload["spec"]["template"]["spec"]["volumes"]:
        if "secret" in volume:
            volume["secret"]["defaultMode"] = _ANYBODY
    if service.volumes:
        workload = _with_claims(workload)
    found = {
        WORKLOAD: workload,
        "service": objects.entrance(service, name, chosen),
        "budget": objects.budget_of(name),
    }
    if spec.replicas.most > spec.replicas.min:
        found[AUTOSCALER] = _autoscaler(name, spec)
    for made in found.values():
        made["metadata"]["namespace"] = namespace
    return found


def secret_name(service: str) -> str:
    """The Secret that has a service's values; it is nobody's here to make."""
    return f"{service}-secrets"


def _service(name: str, spec: ServiceSpec) -> Service:
    """As du-node reads it, with the image by its tag: which digest that is a registry would have to say."""
    record = release_of(name, spec, _NOT_PULLED, dict.fromkeys(spec.secrets, "0" * 16))
    try:
        return replace(parse_service(entry_of(record)), image=f"{spec.image}:{spec.tag}")
    except NodeError as error:
        raise SpecError(error.what, where=f"services.{name}") from error


def _with_claims(workload: Json) -> Json:
    """A StatefulSet whose volumes are claims, called as in fleet.yaml, in place of folders of the node."""
    pod = workload["spec"]["template"]["spec"]
    folders = {v["name"]: v["hostPath"]["path"].rpartition("/")[2] for v in pod["volumes"] if "hostPath" in v}
    for mount in pod["containers"][0]["volumeMounts"]:
        mount["name"] = folders.get(mount["name"], mount["name"])
    pod["volumes"] = [volume for volume in pod["volumes"] if volume["name"] not in folders]
    kept = {key: workload["spec"][key] for key in ("replicas", "selector", "revisionHistoryLimit", "template")}
    spec = {
        **kept,
        "serviceName": workload["metadata"]["name"],
        "updateStrategy": {"type": "RollingUpdate"},
        "volumeClaimTemplates": [_claim(name) for name in sorted(folders.values())],
    }
    return {**workload, "kind": "StatefulSet", "spec": spec}


def _claim(name: str) -> Json:
    wish = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": _CLAIM}}}
    return {"metadata": {"name": name}, "spec": wish}


def _autoscaler(name: str, spec: ServiceSpec) -> Json:
    """By what each copy uses of the CPU, as du-infra's own. A share of the request would mean little: that is small."""
    busy = round(1000 * (spec.cpus or 1.0) * spec.replicas.cpu.points / 100)
    metric = {"name": "cpu", "target": {"type": "AverageValue", "averageValue": f"{max(1, busy)}m"}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": name, "labels": {**OURS, SERVICE: name}},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": spec.replicas.min,
            "maxReplicas": spec.replicas.most,
            "metrics": [{"type": "Resource", "resource": metric}],
        },
    }
