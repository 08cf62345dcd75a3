"""The objects that run a service in a cluster, as plain data. Pure: no I/O.

Sources: the Kubernetes API reference (Deployment v1 apps, Service v1, Pod v1, PodDisruptionBudget v1 policy) and
"Define dependent environment variables" for ``$$``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from du_node import places
from du_node.runtime.k3s.names import (
    COPIES,
    NODE,
    OURS,
    SERVICE,
    SLOT,
    copies_key,
    copies_name,
    node_label,
    slot_object,
    unready_object,
    unready_port,
)
from du_node.runtime.labels import before_labels, before_name, labels_of
from du_node.runtime.mounts import SECRETS_INSIDE
from du_node.state import Service

Json: TypeAlias = dict[str, Any]

UNREADY = "du.unready-port"
"""The annotation of a slot that says by which port it is reached whether its copies are ready or not."""
STOPPED = "du.stopped"
"""The annotation of a slot that uses no copies for now."""
ASKED = "du.copies"
"""The annotation of a Deployment that says how many copies are asked for, however many slots use them."""
LEAVING_SECONDS = 5
"""A copy that is to end gets no new connections and answers on for so long, until every node's packet filter and every
gateway's kept connections have left it."""
_AWAY_SECONDS = 30
_MB = "Mi"


def key_of(service: Service) -> str:
    """Which copies a release has."""
    return copies_key(service.release, service.config)


def slot_of(service: Service, slot: str, node: str, port: int) -> Json:
    """The slot of a node: its port leads to the release's copies, this node's own first."""
    key = key_of(service)
    made = entrance(service, slot_object(service.name, slot, node), {SERVICE: service.name, COPIES: key})
    made["metadata"] |= {
        "labels": {**OURS, SERVICE: service.name, SLOT: slot, NODE: node_label(node), COPIES: key},
        "annotations": {
            **labels_of(service, slot, port),
            "du.image": service.image,
            UNREADY: str(unready_port(port)),
        },
    }
    made["spec"]["type"] = "NodePort"
    made["spec"]["ports"][0]["nodePort"] = port
    return made


def unready_of(slot: Json) -> Json:
    """The slot's copies, ready or not, at a port of their own. It goes with the slot, of which ``slot`` was read.

    A kubelet that starts anew says of all its pods that they are not ready until it has asked each one (Kubernetes up
    to 1.34, its issue 100277), and where no copy is ready the slot's own port refuses. Then the gateway asks here.
    """
    meta, spec = slot["metadata"], slot["spec"]
    port = {name: spec["ports"][0][name] for name in ("name", "port", "targetPort")}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": unready_object(meta["name"]),
            "labels": {**OURS, SERVICE: meta["labels"][SERVICE], NODE: meta["labels"][NODE]},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": meta["name"], "uid": meta["uid"]}],
        },
        "spec": {
            "type": "NodePort",
            "publishNotReadyAddresses": True,
            "selector": spec["selector"],
            "ports": [{**port, "nodePort": int(meta["annotations"][UNREADY])}],
            "trafficDistribution": "PreferSameNode",
        },
    }


def entrance(service: Service, name: str, chosen: Mapping[str, str]) -> Json:
    """A Service that leads to the pods with the labels ``chosen``, those of the node that asks first."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": {**OURS, SERVICE: service.name}},
        "spec": {
            "selector": dict(chosen),
            "ports": [{"name": "http", "port": service.port, "targetPort": service.port}],
            "trafficDistribution": "PreferSameNode",
        },
    }


def copies_of(service: Service, count: int, owner: tuple[int, int]) -> Json:
    """The release's copies."""
    key = key_of(service)
    name = copies_name(service.name, key)
    made = deployment(service, name, {SERVICE: service.name, COPIES: key}, name, owner)
    made["metadata"]["annotations"] = {ASKED: str(count)}
    made["spec"]["replicas"] = count
    return made


def deployment(
    service: Service, name: str, chosen: Mapping[str, str], values: str, owner: tuple[int, int] = (0, 0)
) -> Json:
    """Copies with the labels ``chosen``, one of them; their secrets come from the Secret ``values``. A new one is there
    before an old one goes; they spread over the nodes."""
    labels = {**OURS, **chosen, "app.kubernetes.io/name": service.name}
    spread = {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": dict(chosen)},
    }
    pod = {
        **_pod(service, values, owner),
        "terminationGracePeriodSeconds": service.stop_grace + LEAVING_SECONDS,
        "topologySpreadConstraints": [spread],
        "tolerations": [_gone("not-ready"), _gone("unreachable")],
    }
    pod["containers"][0] |= {"lifecycle": {"preStop": {"sleep": {"seconds": LEAVING_SECONDS}}}, **_probes(service)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": dict(chosen)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "revisionHistoryLimit": 1,
            "progressDeadlineSeconds": max(60, 2 * service.start_timeout),
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def before_of(service: Service, attempt: str, command: Sequence[str], node: str, owner: tuple[int, int]) -> Json:
    """The command that runs once before a release, on this node, with all of the service's settings."""
    pod = {
        **_pod(service, before_name(service.name), owner),
        "restartPolicy": "Never",
        "nodeName": node,
        "terminationGracePeriodSeconds": service.stop_grace,
    }
    pod["containers"][0] |= {"command": [_plain(command[0])], "args": [_plain(word) for word in command[1:]]}
    del pod["containers"][0]["ports"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": before_name(service.name),
            "labels": {**OURS, "du-infra/before": service.name, NODE: node_label(node)},
            "annotations": before_labels(service, attempt),
        },
        "spec": pod,
    }


def secret_of(service: Service, name: str, values: Mapping[str, str]) -> Json:
    """The values that a release's copies read, each a file."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "labels": {**OURS, SERVICE: service.name}},
        "immutable": True,
        "stringData": dict(values),
    }


def budget_of(service: str) -> Json:
    """Never two of a service's copies at once are sent away, whoever drains nodes."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": service, "labels": {**OURS, SERVICE: service}},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {SERVICE: service}}},
    }


def _pod(service: Service, values: str, owner: tuple[int, int]) -> Json:
    """``values`` is the Secret that its files come from."""
    # by folder, so that what lies inside another comes after it
    inside = list(enumerate(sorted(service.volumes, key=lambda volume: volume[1])))
    volumes = [_volume(f"volume-{place}", service.name, name) for place, (name, _) in inside]
    mounts: list[Json] = [{"name": f"volume-{place}", "mountPath": folder} for place, (_, folder) in inside]
    if service.secrets:
        files = {"secretName": values, "defaultMode": 0o400}
        volumes.append({"name": "secrets", "secret": files})
        mounts.append({"name": "secrets", "mountPath": SECRETS_INSIDE, "readOnly": True})
    container: Json = {
        "name": "service",
        "image": service.image,
        "imagePullPolicy": "IfNotPresent",
        "ports": [{"name": "http", "containerPort": service.port}],
        "env": [{"name": name, "value": _plain(value)} for name, value in service.env],
        "resources": _resources(service),
        "volumeMounts": mounts,
        "securityContext": {"allowPrivilegeEscalation": False},
    }
    if service.command:
        container["args"] = [_plain(word) for word in service.command]
    found: Json = {
        # A Service would give its pods variables by its name, HELLO_PORT for hello, which programs take for their own.
        "enableServiceLinks": False,
        "automountServiceAccountToken": False,
        "containers": [container],
        "volumes": volumes,
    }
    if service.secrets and owner[0]:
        # The files are root's; a group of the image's own user may read them.
        found["securityContext"] = {"fsGroup": owner[1] or owner[0], "fsGroupChangePolicy": "OnRootMismatch"}
        volumes[-1]["secret"]["defaultMode"] = 0o440
    return found


def _resources(service: Service) -> Json:
    """Requests are small: whether there is room for a second copy is looked at before, by what is really free."""
    limits: Json = {"memory": f"{service.memory_mb}{_MB}"} if service.memory_mb else {}
    limits |= {"cpu": f"{service.cpus:g}"} if service.cpus else {}
    requests = {"memory": f"{min(32, service.memory_mb or 32)}{_MB}", "cpu": f"{min(0.01, service.cpus or 0.01):g}"}
    return {"requests": requests, "limits": limits}


def _probes(service: Service) -> Json:
    """A copy that has just started is asked every second. Later the kubelet is patient: a copy that answers late on a
    busy node serves better than none, and one that has stopped is out at once anyhow."""
    asked = {"httpGet": {"path": service.route.ready, "port": service.port}}
    return {
        "startupProbe": {**asked, "timeoutSeconds": 2, "periodSeconds": 1, "failureThreshold": service.start_timeout},
        "readinessProbe": {**asked, "timeoutSeconds": 5, "periodSeconds": 2, "failureThreshold": 5},
        "livenessProbe": {**asked, "timeoutSeconds": 5, "periodSeconds": 10, "failureThreshold": 6},
    }


def _volume(called: str, service: str, name: str) -> Json:
    """A folder of the node, as with every runtime: what was written stays with the node, and both slots share it."""
    return {"name": called, "hostPath": {"path": f"{places.VOLUMES}/{service}/{name}", "type": "DirectoryOrCreate"}}


def _gone(why: str) -> Json:
    return {
        "key": f"node.kubernetes.io/{why}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": _AWAY_SECONDS,
    }


def _plain(value: str) -> str:
    """A text that Kubernetes takes for itself: it would put other variables into ``$(NAME)``."""
    return value.replace("$", "$$")
