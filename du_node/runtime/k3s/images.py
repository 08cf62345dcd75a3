"""The images in the store of K3s's own containerd, by its ``ctr``.

The kubelet would pull by itself, when a copy is started: then a registry that is slow or gone would count as a copy
that does not get ready. Those that were pulled for a service are noted in a file; the kubelet's own are left to it.
"""

from __future__ import annotations

import json
from typing import Any

from du_node.command import Done, run
from du_node.errors import NodeError
from du_node.preflight import machine
from du_node.runtime import pulled
from du_node.runtime.cli import fetch
from du_node.runtime.words import tool_error
from du_node.state import Service

_CTR = ("k3s", "ctr", "--namespace", "k8s.io")
# What K3s makes of registries.yaml.
_HOSTS = "/var/lib/rancher/k3s/agent/etc/containerd/certs.d"


def there() -> frozenset[str]:
    """The references of all images that were pulled for a service."""
    return frozenset(_must("images", "ls", "--quiet").split()) & pulled.noted()


def pull(service: Service, keep: tuple[int, ...]) -> None:
    """Fetch the image. Raises NodeError registry, image or no-room."""
    pulled.note(service.image)
    fetch([*_CTR, "images", "pull", "--hosts-dir", _HOSTS, service.image], service, keep)


def remove(image: str) -> None:
    """Remove an image that nothing of ours uses."""
    _must("images", "rm", image)
    pulled.forget(image)


def configuration(image: str) -> dict[str, Any]:
    """The image's configuration for this machine (OCI image-spec, config.md). Raises NodeError image if it has none."""
    found = _content(image.rpartition("@")[2])
    if "manifests" in found:
        fit = [one for one in found["manifests"] if (one.get("platform") or {}).get("architecture") == machine()]
        if not fit:
            raise NodeError("image", f"{image} is not made for this node, which is {machine()}")
        found = _content(fit[0]["digest"])
    return _content(found["config"]["digest"])


def _content(digest: str) -> dict[str, Any]:
    return dict(json.loads(_must("content", "get", digest)))


def _must(*words: str) -> str:
    done: Done = run([*_CTR, *words])
    if done.code:
        raise tool_error(f"`k3s ctr {words[0]}` failed", done)
    return done.out
