"""What a node says of the copies behind its slots, and how long a release of several waits for them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from du_node import runtime, status
from du_node.errors import NodeError
from du_node.runtime.k3s import copies, driver, objects
from du_node.runtime.k3s.driver import K3s
from du_node.runtime.k3s.names import COPIES, NODE, OURS, copies_name, node_label
from du_node.state import Copies, Gateway, Pair
from tests.unit.node.k3s.paper_cluster import PaperApi
from tests.unit.node.k3s.test_copies import KEY, NAME, SERVICE, begin


def pod(
    api: PaperApi,
    name: str,
    node: str,
    *,
    ready: bool = True,
    key: str = KEY,
    fallen: bool = False,
    begun: bool = True,
) -> None:
    state: dict[str, Any] = {"terminated": {"exitCode": 1}} if fallen else {"running": {}}
    one = {"containerID": f"containerd://{name}", "ready": ready, "started": begun, "state": state}
    made = {
        "metadata": {"name": name, "labels": {**OURS, COPIES: key}},
        "spec": {"nodeName": node},
        "status": {"containerStatuses": [one], "podIP": "10.0.0.1"},
    }
    api.create("pods", made)


def pods(api: PaperApi) -> set[str]:
    return {name for kind, name in api.objects if kind == "pods"}


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> K3s:
    """On node a; copies that run there use as much of a CPU as their processes' sum says."""
    made = K3s()
    made._node, made._mine, made._connected = "a", {NODE: node_label("a")}, PaperApi()
    monkeypatch.setattr(driver, "first_process", lambda container: 7)
    monkeypatch.setattr(driver.cpu, "percent", lambda processes: 12.5 * sum(processes.values()))
    return made


def api_of(tool: K3s) -> PaperApi:
    assert isinstance(tool._connected, PaperApi)
    return tool._connected


def test_the_copies_of_a_slot_are_counted_in_the_cluster_and_measured_here(tool: K3s) -> None:
    api = api_of(tool)
    begin(api, "a")
    begin(api, "b")
    copies.ask(api, "hello", 3)
    pod(api, "one", "a")
    pod(api, "two", "b", ready=False)
    pod(api, "old", "a", key="other")
    found = Copies(asked=3, count=3, slots=2, ready=1, here=1, cpu_percent=87.5)
    assert tool.look()[1] == {("hello", "blue"): found}


def test_a_node_without_slots_says_nothing(tool: K3s) -> None:
    begin(api_of(tool), "b")
    assert tool.look()[1] == {}


def test_the_status_has_them_beside_the_slot_that_serves(tool: K3s, monkeypatch: pytest.MonkeyPatch) -> None:
    begin(api_of(tool), "a")
    pod(api_of(tool), "one", "a")
    monkeypatch.setattr(runtime, "chosen", lambda: tool)
    monkeypatch.setattr(status.probe, "get", lambda *_: status.probe.Answer(200))
    seen = Gateway(running=True, pairs={"hello": Pair("blue")})
    (row,), trouble = status._services({"services": [{"name": "hello"}]}, None, seen, {})  # type: ignore[arg-type]
    assert trouble == ""
    assert (row["copies"]["count"], row["copies"]["ready"], row["copies"]["slots"]) == (1, 1, 1)


def test_a_release_of_several_copies_waits_for_all_of_them(tool: K3s, monkeypatch: pytest.MonkeyPatch) -> None:
    api, service = api_of(tool), replace(SERVICE, copies=(2, 2), start_timeout=20)
    pod(api, "one", "a")

    def later(_: float) -> None:
        pod(api, "two", "a")

    monkeypatch.setattr(driver.time, "sleep", later)
    tool.start_new(service, "blue", 20000)
    assert api.objects["deployments", NAME]["spec"]["replicas"] == 2
    assert ("pods", "two") in api.objects


def test_a_copy_that_falls_is_told_of_at_once(tool: K3s, monkeypatch: pytest.MonkeyPatch) -> None:
    api, service = api_of(tool), replace(SERVICE, copies=(2, 2), start_timeout=20)
    pod(api, "one", "a")
    pod(api, "two", "a", ready=False, fallen=True)
    monkeypatch.setattr(PaperApi, "log", lambda *_, **__: "no such table", raising=False)
    with pytest.raises(NodeError, match="1 of 2 copies are ready") as caught:
        tool.start_new(service, "blue", 20000)
    assert (caught.value.kind, caught.value.detail) == ("not-ready", "no such table")


def test_one_copy_is_waited_for_by_who_asks_it(tool: K3s) -> None:
    tool.start_new(SERVICE, "blue", 20000)
    assert api_of(tool).objects["deployments", copies_name("hello", objects.key_of(SERVICE))]["spec"]["replicas"] == 1


def test_a_restart_ends_one_copy_that_is_not_well_and_never_one_that_serves(tool: K3s) -> None:
    api = api_of(tool)
    begin(api, "a")
    (slot,) = [made for made in tool.containers() if made.service == "hello"]
    pod(api, "well", "a")
    pod(api, "starts", "a", ready=False, begun=False)
    pod(api, "away", "b", ready=False)
    tool.restart(slot)
    assert pods(api) == {"well", "starts", "away"}, "the port fails, and no copy here does"
    for name in ("late-1", "late-2"):
        pod(api, name, "a", ready=False)
    tool.restart(slot)
    assert pods(api) == {"well", "starts", "away", "late-2"}


def test_a_restart_on_a_node_without_a_copy_ends_one_elsewhere(tool: K3s) -> None:
    api = api_of(tool)
    begin(api, "a")
    (slot,) = [made for made in tool.containers() if made.service == "hello"]
    pod(api, "well", "b")
    pod(api, "late", "c", ready=False)
    tool.restart(slot)
    assert pods(api) == {"well"}


def test_a_slot_is_made_with_its_other_port_also_by_whoever_comes_after_one_that_was_killed(
    tool: K3s, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = api_of(tool)
    port = driver.own_window("a")[3]
    calls = []
    monkeypatch.setattr(K3s, "_answers", lambda tool: True)
    for moment in range(40):
        api.objects.clear()
        api.meanwhile = _killed_at(api.calls + moment)
        try:
            tool._make_slot(SERVICE, "blue", port)
            killed = False
        except KeyboardInterrupt:
            killed = True
        api.meanwhile = lambda _: None
        if slots := tool.containers():
            tool.ensure()
            assert slots[0].unready_port == port + 100
            assert len([key for key in api.objects if key[0] == "services"]) == 2
            assert {port, port + 1}.difference(tool.taken_ports()) == {port + 1}
        calls.append(killed)
        if not killed:
            break
    assert calls == [True] * (len(calls) - 1) + [False] and len(calls) > 4


def test_a_port_whose_other_one_belongs_to_somebody_is_not_taken(tool: K3s) -> None:
    port = driver.own_window("a")[3]
    api_of(tool).create("services", {"metadata": {"name": "x"}, "spec": {"ports": [{"nodePort": port + 100}]}})
    assert port in tool.taken_ports()
    assert port + 1 not in tool.taken_ports()


def _killed_at(call: int) -> Callable[[int], None]:
    def meanwhile(now: int) -> None:
        if now == call:
            raise KeyboardInterrupt

    return meanwhile
