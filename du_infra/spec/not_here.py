"""What users of other tools, or of a plan that was made once, ask for and what takes its place here. Pure."""

from __future__ import annotations

from collections.abc import Mapping

KEYS: Mapping[str, str] = {
    "witness": "there is no witness: with k3s: {datastore: …} two machines bear the loss of one (docs/k3s-external.md)",
}
"""Key of a region, or of its k3s → what to write instead."""

RUNTIMES: Mapping[str, str] = {"microk8s": "MicroK8s comes by the snap store alone; use k3s (docs/cluster.md)"}
"""Runtime → what to use instead."""
