"""What a service becomes in a cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from du_node.runtime.k3s import names, objects
from du_node.runtime.k3s.driver import parts_of
from du_node.runtime.k3s.pods import nearest, pod_of, slot_container
from du_node.runtime.labels import before_name, slot_name
from du_node.state import FIRST_PORT, LAST_PORT, Route, Service

SERVICE = Service(
    *("hello", "v1-abc", "v1", "r/hello@sha256:0", "sha256:0", 8080, Route("a.example", "/x", "/ok")),
    env=(("MONEY", "$5 $(HOME) $$"),),
    command=("run", "$HOME"),
    memory_mb=96,
    cpus=0.5,
    volumes=(("b", "/data"), ("a", "/data/inside")),
    secrets=(("DB", "1" * 16),),
    start_timeout=20,
    stop_grace=7,
    config="c",
)


def pod(service: Service = SERVICE, owner: tuple[int, int] = (0, 0)) -> dict[str, Any]:
    found: dict[str, Any] = objects.copies_of(service, 2, owner)["spec"]["template"]["spec"]
    return found


def test_a_text_with_a_dollar_stays_as_it_is() -> None:
    (container,) = pod()["containers"]
    assert container["env"] == [{"name": "MONEY", "value": "$$5 $$(HOME) $$$$"}]
    assert container["args"] == ["run", "$$HOME"]


def test_a_new_copy_is_there_before_an_old_one_goes_and_that_one_is_left_in_peace_first() -> None:
    made = objects.copies_of(SERVICE, 2, (0, 0))["spec"]
    assert made["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    (container,) = pod()["containers"]
    assert container["lifecycle"]["preStop"] == {"sleep": {"seconds": objects.LEAVING_SECONDS}}
    assert pod()["terminationGracePeriodSeconds"] == 7 + objects.LEAVING_SECONDS
    assert container["readinessProbe"]["httpGet"] == {"path": "/ok", "port": 8080}
    assert container["startupProbe"]["failureThreshold"] == 20


def test_nothing_of_the_cluster_gets_into_a_copy() -> None:
    assert pod()["enableServiceLinks"] is False
    assert pod()["automountServiceAccountToken"] is False


def test_limits_volumes_and_secrets() -> None:
    (container,) = pod()["containers"]
    assert container["resources"]["limits"] == {"memory": "96Mi", "cpu": "0.5"}
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/data", "/data/inside", "/run/secrets"]
    paths = [volume["hostPath"]["path"] for volume in pod()["volumes"] if "hostPath" in volume]
    assert paths == ["/var/lib/du-volumes/hello/b", "/var/lib/du-volumes/hello/a"]
    secret = pod(owner=(65534, 0))["volumes"][-1]["secret"]
    assert (secret["secretName"], secret["defaultMode"]) == (
        names.copies_name("hello", objects.key_of(SERVICE)),
        0o440,
    )
    assert pod(owner=(65534, 0))["securityContext"]["fsGroup"] == 65534


def test_a_slot_leads_to_its_release_and_can_be_read_back() -> None:
    slot = objects.slot_of(SERVICE, "green", "node-1", 20007)
    copies = objects.copies_of(SERVICE, 1, (0, 0))
    assert slot["spec"]["selector"] == copies["spec"]["selector"]["matchLabels"]
    assert slot["spec"]["ports"][0]["nodePort"] == 20007
    read = slot_container(slot, [])
    assert (read.service, read.slot, read.port, read.running) == ("hello", "green", 20007, True)
    assert (read.release, read.config, read.image, read.route) == ("v1-abc", "c", "r/hello@sha256:0", SERVICE.route)
    slot["metadata"]["annotations"][objects.STOPPED] = "true"
    assert not slot_container(slot, []).running


def test_a_slot_has_another_port_by_which_it_is_reached_ready_or_not_and_that_goes_with_it() -> None:
    slot = objects.slot_of(SERVICE, "green", "node-1", 20007)
    slot["metadata"]["uid"] = "u1"
    other = objects.unready_of(slot)
    assert other["spec"]["publishNotReadyAddresses"] and not slot["spec"].get("publishNotReadyAddresses")
    assert other["spec"]["selector"] == slot["spec"]["selector"]
    assert other["spec"]["ports"] == [{**slot["spec"]["ports"][0], "nodePort": slot_container(slot, []).unready_port}]
    assert other["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert not {names.SLOT, names.COPIES} & other["metadata"]["labels"].keys()  # it is no slot, and keeps no copies
    assert len(names.unready_object(names.slot_object(20 * "a", "green", "n"))) <= 63


def test_other_settings_are_other_copies() -> None:
    keys = {objects.key_of(one) for one in (SERVICE, replace(SERVICE, release="v2"), replace(SERVICE, config="d"))}
    assert len(keys) == 3


def status(**state: Any) -> dict[str, Any]:
    labels = {names.COPIES: objects.key_of(SERVICE)}
    one = {"containerID": "containerd://abc", "restartCount": 1, **state}
    return {
        "metadata": {"name": "p", "labels": labels},
        "spec": {"nodeName": "n"},
        "status": {"containerStatuses": [one]},
    }


def test_a_copy_that_falls_again_and_again_does_not_run_and_its_last_end_is_told() -> None:
    last = {"terminated": {"exitCode": 3, "reason": "Error"}}
    found = pod_of(status(state={"waiting": {"reason": "CrashLoopBackOff"}}, lastState=last))
    assert (found.fallen, found.running, found.exit_code, found.container) == (True, False, 3, "abc")
    slot = slot_container(objects.slot_of(SERVICE, "blue", "n", 20000), [found])
    assert (slot.running, slot.exit_code) == (False, 3)
    well = pod_of(status(state={"running": {}}, lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}))
    assert (well.running, well.oom, well.exit_code) == (True, True, 137)
    assert slot_container(objects.slot_of(SERVICE, "blue", "n", 20000), [found, well]).running


def test_the_copy_that_stands_for_a_slot_is_this_nodes_own() -> None:
    here, there = pod_of(status(state={"running": {}})), pod_of(status(state={"running": {}}))
    there = replace(there, node="m", name="a")
    assert nearest([there, here], here.copies, "n") is here
    assert nearest([there, replace(here, leaving=True)], here.copies, "n") is there
    assert nearest([], here.copies, "n") is None


def test_names_of_containers_are_taken_apart() -> None:
    assert parts_of(slot_name("a-b", "green")) == ("a-b", "green")
    assert parts_of(before_name("a-b")) == ("a-b", "before")


def test_every_nodes_ports_are_among_ours_and_its_two_kinds_never_meet() -> None:
    windows = [names.own_window(f"node-{n}") for n in range(500)]
    slots = {port for window in windows for port in window}
    others = {names.unready_port(port) for port in slots}
    assert not slots & others
    assert (min(slots) >= FIRST_PORT, max(others) <= LAST_PORT) == (True, True)
