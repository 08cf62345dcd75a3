"""Slots, copies and images of this node, by the API of its cluster. An adapter: it decides nothing.

A slot is a Service of type NodePort of this node's own, so that the gateway reaches it as any other slot, on 127.0.0.1.
The copies behind it are a Deployment for each release, which all nodes share: see copies.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from du_node import cgroups, secrets
from du_node.command import run
from du_node.errors import NodeError
from du_node.runtime.driver import ContainerState
from du_node.runtime.k3s import copies, cpu, images, objects
from du_node.runtime.k3s.api import Api, Changed, connect
from du_node.runtime.k3s.names import (
    COPIES,
    NODE,
    OURS,
    SLOT,
    copies_name,
    node_label,
    own_window,
    slot_object,
    unready_object,
    unready_port,
)
from du_node.runtime.k3s.pods import Pod, nearest, pod_of, sick, slot_container
from du_node.runtime.labels import before_name, secrets_of, slot_name
from du_node.runtime.mounts import volume
from du_node.runtime.owner import Owner, owner_of
from du_node.secrets import Key
from du_node.state import FIRST_PORT, LAST_PORT, SLOTS, Container, Copies, Service

Json: TypeAlias = dict[str, Any]

_CONTAINERD = "/run/k3s/containerd/containerd.sock"
_UNITS = ("k3s", "k3s-agent")
_PATIENCE = 90.0
_BEGUN = 60.0
_TRIES = 20


class K3s:
    """The cluster that this node belongs to. ``lock`` is a descriptor that programs inherit."""

    kind = "k3s"
    programs: tuple[str, ...] = ("k3s-server", "k3s-agent", "k3s", "containerd")
    storage = "/var/lib/rancher/k3s"
    unready_step = unready_port(0)

    def __init__(self, lock: int | None = None) -> None:
        self._keep = () if lock is None else (lock,)
        self._node = socket.gethostname().lower()
        self._mine = {NODE: node_label(self._node)}
        self._connected: Api | None = None

    @property
    def _api(self) -> Api:
        if self._connected is None:
            self._connected = connect()
        return self._connected

    def ensure(self) -> None:
        """Have K3s started if it does not run on this node, and wait for the API and for its containerd. Raises
        NodeError tool."""
        self._have_started()
        for slot in self._slots_without_a_second_port():
            self._api.create("services", objects.unready_of(slot))

    def _slots_without_a_second_port(self) -> list[Json]:
        """Whoever made the slot was killed before that."""
        there = self._api.all("services", {**OURS, **self._mine})
        names = {told["metadata"]["name"] for told in there}
        slots = [told for told in there if SLOT in told["metadata"]["labels"] and objects.UNREADY in _notes(told)]
        return [told for told in slots if unready_object(told["metadata"]["name"]) not in names]

    def _have_started(self) -> None:
        deadline = time.monotonic() + _PATIENCE
        if self._answers():
            return
        for unit in _UNITS:
            if not run(["systemctl", "is-enabled", "--quiet", unit]).code:
                run(["systemctl", "start", "--no-block", unit])
        while not self._answers():
            if time.monotonic() > deadline:
                raise NodeError(
                    "tool",
                    "K3s's containerd, or the cluster's API, does not answer",
                    todo="see `journalctl -u k3s -u k3s-agent` on the node, and whether the region's servers run",
                )
            time.sleep(0.5)

    def _answers(self) -> bool:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(1.0)
            return link.connect_ex(_CONTAINERD) == 0 and self._api.ready()

    def containers(self) -> tuple[Container, ...]:
        """Every slot of this node."""
        slots = self._slots()
        pods = self._pods() if slots else []
        return tuple(slot_container(slot, pods) for slot in slots)

    def taken_ports(self) -> frozenset[int]:
        """Ports of the cluster's, on which nothing listens, and those that are other nodes' to choose from."""
        window = own_window(self._node)
        found = {port.get("nodePort") for slot in self._api.all("services", {}) for port in slot["spec"]["ports"]}
        free = {port for port in window if port not in found and unready_port(port) not in found}
        return frozenset(range(FIRST_PORT, LAST_PORT + 1)) - free

    def secrets_in_use(self) -> frozenset[Key]:
        """The secrets of this node's slots, and of the command that runs before a release."""
        befores = [pod for pod in self._api.all("pods", self._mine) if "du.service" in _notes(pod)]
        return frozenset(key for told in [*self._slots(), *befores] for key in secrets_of(_notes(told)))

    def last_lines(self, service: str, slot: str, count: int = 20) -> str:
        """The end of the log of the slot's nearest copy, or of the command before; of its last run if it is mute."""
        found = self._before(service) if slot not in SLOTS else self._copy(service, slot)
        if not found:
            return ""
        text = self._api.log(found.name, count)
        if found.restarts and not text.strip():
            text = self._api.log(found.name, count, previous=True)
        return text.rstrip()

    def images(self) -> frozenset[str]:
        """The references of all images that were pulled for a service."""
        return images.there()

    def architecture(self, image: str) -> str:
        """What kind of machine an image in the store is made for."""
        return str(images.configuration(image).get("architecture") or "")

    def state(self, name: str) -> ContainerState:
        """How a slot's nearest copy is, or the command before; of one that is about to start or to end, how it is then.

        The API hears of both a moment later: one that it says runs here, and that has no process, has just ended.
        """
        deadline = time.monotonic() + _BEGUN
        while True:
            found = self._named(name)
            if not found:
                return ContainerState()
            here = found.running and found.node == self._node
            pid = first_process(found.container) if here else 0
            begins = not (found.running or found.fallen or found.ended) and found.name == name
            if not (begins or (here and not pid)) or time.monotonic() > deadline:
                return ContainerState(True, found.running, pid, found.exit_code, found.oom)
            time.sleep(0.2)

    def behind(self, container: Container) -> tuple[str, int] | None:
        """The slot's nearest copy: the cluster takes one that is not ready from behind the port."""
        told = self._slot(container.service, container.slot)
        found = nearest(self._pods(), _copies_of(told), self._node) if told else None
        return (found.address, int(told["spec"]["ports"][0]["port"])) if told and found and found.address else None

    def look(self) -> tuple[tuple[Container, ...], Mapping[tuple[str, str], Copies]]:
        """Every slot of this node, and how its copies are in the cluster: all nodes' slots use them."""
        everyones = self._all_slots(OURS)
        slots = [slot for slot in everyones if slot["metadata"]["labels"].get(NODE) == self._mine[NODE]]
        if not slots:
            return (), {}
        pods = self._pods()
        made = {one["metadata"]["labels"].get(COPIES, ""): one for one in self._api.all("deployments", OURS)}
        found = {
            (notes["du.service"], notes["du.slot"]): self._copies(made[key], copies.used(everyones, key), pods)
            for slot in slots
            if (key := _copies_of(slot)) in made and (notes := _notes(slot))
        }
        return tuple(slot_container(slot, pods) for slot in slots), found

    def _copies(self, made: Json, slots: int, pods: Sequence[Pod]) -> Copies:
        key = made["metadata"]["labels"][COPIES]
        own = [pod for pod in pods if pod.copies == key and not pod.leaving]
        here = [pod.container for pod in own if pod.node == self._node and pod.running]
        return Copies(
            asked=copies.asked_of(made),
            count=int(made["spec"].get("replicas") or 0),
            slots=slots,
            ready=sum(pod.ready for pod in own),
            here=len(here),
            cpu_percent=cpu.percent({container: first_process(container) for container in here}),
        )

    def pull(self, service: Service) -> None:
        """Fetch the image. Raises NodeError registry, image or no-room."""
        images.pull(service, self._keep)

    def start_new(self, service: Service, slot: str, port: int) -> None:
        """Make the slot, and the release's copies where the cluster has none."""
        key = objects.key_of(service)
        owner = self._have_files(service, copies_name(service.name, key))
        self._api.create("poddisruptionbudgets", objects.budget_of(service.name))
        self._make_slot(service, slot, port)
        count = copies.first_count(self._api, service)
        made = copies.use(self._api, service.name, key, objects.copies_of(service, count, owner))
        if made and count > 1:
            self._await_all(service, key, count)
        self._await_successor(key, service.start_timeout)

    def start_before(self, service: Service, attempt: str, command: Sequence[str]) -> None:
        """Start the command that runs before a release, on this node, and wait until it has begun."""
        self._api.delete("secrets", before_name(service.name))
        owner = self._have_files(service, before_name(service.name))
        self._api.create("pods", objects.before_of(service, attempt, command, self._node, owner))
        state = self.state(before_name(service.name))
        if not state.running and state.exit_code < 0:
            raise NodeError("tool", f"{service.name}: the command before the release does not start")

    def start(self, container: Container) -> None:
        """Have the slot use its copies again, and those that fell be tried again now. Raises NodeError tool."""
        key = self._mark(container, stopped=False)
        copies.use(self._api, container.service, key)
        for pod in self._pods():
            if pod.copies == key and pod.fallen:
                self._api.delete("pods", pod.name)
        self._await_successor(key, container.start_timeout)

    def restart(self, container: Container) -> None:
        """End a copy that is not well with grace, if there is one: the cluster makes another. Never two at once."""
        key = self._mark(container, stopped=False)
        if pod := sick(self._pods(), key, self._node):
            self._api.delete("pods", pod.name)
        copies.use(self._api, container.service, key)
        self._await_successor(key, container.start_timeout)

    def stop(self, container: Container) -> None:
        """The slot uses its copies no more; they end, with grace, when no other slot does."""
        copies.leave(self._api, container.service, self._mark(container, stopped=True))

    def remove(self, container: Container) -> None:
        """Remove the slot, used or not; none there is as good."""
        self.remove_name(slot_name(container.service, container.slot))

    def remove_name(self, name: str) -> None:
        """Remove a slot, or the command before, by its name on a node."""
        service, slot = parts_of(name)
        if slot not in SLOTS:
            self._api.delete("secrets", name)
            self._api.delete("pods", name)
            while self._api.get("pods", name) is not None:
                time.sleep(0.2)
            return
        found = self._slot(service, slot)
        if found is not None:
            self._api.delete("services", found["metadata"]["name"])
            copies.leave(self._api, service, _copies_of(found))

    def remove_image(self, image: str) -> None:
        """Remove an image that no slot of this node uses. What runs in it runs on."""
        images.remove(image)

    def _slots(self) -> list[Json]:
        return self._all_slots({**OURS, **self._mine})

    def _all_slots(self, chosen: Mapping[str, str]) -> list[Json]:
        return [told for told in self._api.all("services", chosen) if SLOT in told["metadata"]["labels"]]

    def _pods(self) -> list[Pod]:
        return [pod_of(told) for told in self._api.all("pods", OURS)]

    def _copy(self, service: str, slot: str) -> Pod | None:
        told = self._slot(service, slot)
        return nearest(self._pods(), _copies_of(told), self._node) if told else None

    def _slot(self, service: str, slot: str) -> Json | None:
        return self._api.get("services", slot_object(service, slot, self._node))

    def _before(self, service: str) -> Pod | None:
        told = self._api.get("pods", before_name(service))
        return pod_of(told) if told else None

    def _await_successor(self, key: str, seconds: float) -> None:
        """Until a copy is ready that stays, or none is there any more that leaves. One that leaves takes requests until
        there is another, so that the slot's port seems to be ready and is about to go."""
        deadline = time.monotonic() + seconds + objects.LEAVING_SECONDS
        while time.monotonic() < deadline:
            own = [pod for pod in self._pods() if pod.copies == key]
            if any(pod.ready and not pod.leaving for pod in own) or not any(pod.leaving for pod in own):
                return
            time.sleep(0.2)

    def _await_all(self, service: Service, key: str, count: int) -> None:
        """Until all copies of a new release are ready, for what runs has as many. Raises NodeError not-ready."""
        deadline, ready = time.monotonic() + service.start_timeout, 0
        while ready < count:
            own = sorted((p for p in self._pods() if p.copies == key and not p.leaving), key=lambda pod: pod.ready)
            ready = sum(pod.ready for pod in own)
            if ready < count and (time.monotonic() > deadline or any(pod.fallen for pod in own)):
                what = f"{service.name}: {ready} of {count} copies are ready"
                log = self._api.log(own[0].name, 20) if own else ""
                raise NodeError("not-ready", what, detail=log, service=service.name)
            time.sleep(0.2)

    def _named(self, name: str) -> Pod | None:
        service, slot = parts_of(name)
        return self._copy(service, slot) if slot in SLOTS else self._before(service)

    def _make_slot(self, service: Service, slot: str, port: int) -> None:
        """Make it, in place of one that is there."""
        name = slot_object(service.name, slot, self._node)
        for called in (unready_object(name), name):
            self._api.delete("services", called)
        self._api.create("services", objects.slot_of(service, slot, self._node, port))
        if made := self._slot(service.name, slot):
            self._api.create("services", objects.unready_of(made))

    def _mark(self, container: Container, *, stopped: bool) -> str:
        """Note at the slot whether it uses its copies; the key of those. Raises NodeError tool when it is gone."""
        for _ in range(_TRIES):
            found = self._slot(container.service, container.slot)
            if found is None:
                break
            notes = found["metadata"]["annotations"]
            if (notes.get(objects.STOPPED) == "true") != stopped:
                notes[objects.STOPPED] = str(stopped).lower()
                try:
                    self._api.replace("services", found)
                except Changed:
                    continue
            return _copies_of(found)
        raise NodeError("tool", f"{container.service}: the cluster has no slot {container.slot} of this node")

    def _have_files(self, service: Service, called: str) -> Owner:
        """Have its volumes on this node, and its secrets' values in the cluster by this name; whom they belong to."""
        owner = self._owner(service)
        for name, _ in service.volumes:
            volume(service.name, name, owner)
        if service.secrets:
            self._api.create("secrets", objects.secret_of(service, called, _values(service)))
        return owner

    def _owner(self, service: Service) -> Owner:
        """Whom its files are to belong to. Raises NodeError image when the image names its user by a word."""
        if not service.volumes and not service.secrets:
            return 0, 0
        user = str((images.configuration(service.image).get("config") or {}).get("User") or "")
        return owner_of(user, lambda: "")


def parts_of(name: str) -> tuple[str, str]:
    """Service and slot of a container's name on a node ("du-hello-blue"); slot "before" for the command before."""
    service, _, slot = name.removeprefix("du-").rpartition("-")
    return service, slot


def first_process(container: str) -> int:
    """The first process of a container, by its control group; 0 when it has none here."""
    if not container:
        return 0
    for root in (cgroups.ROOT, f"{cgroups.ROOT}/memory", f"{cgroups.ROOT}/systemd"):
        for found in Path(root).glob(f"kubepods*/**/*{container}*/cgroup.procs"):
            pids = [int(word) for word in found.read_text().split()]
            if pids:
                return min(pids)
    return 0


def _copies_of(slot: Json) -> str:
    """The key of the copies that a slot leads to."""
    return str(slot["metadata"]["labels"][COPIES])


def _notes(told: Json) -> dict[str, str]:
    return dict(told["metadata"].get("annotations") or {})


def _values(service: Service) -> dict[str, str]:
    """The values of its secrets, out of this node's own files. Raises NodeError secret when one is not there."""
    values = {}
    for name, fingerprint in service.secrets:
        path = secrets.path_of((service.name, name, fingerprint))
        if not path.exists():
            raise secrets.absent((service.name, name, fingerprint))
        values[name] = path.read_bytes().decode()  # a text file would have its line ends changed
    return values
