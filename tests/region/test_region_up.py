"""One region from nothing to serving, looked at from every side. The tests build on one another, top to bottom."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable

import pytest

from du_infra.control.observe import http_get
from du_infra.control.up import UpResult
from du_infra.errors import NotReady, Refused
from tests.region.conftest import Bed, lxc

pytestmark = pytest.mark.lxd


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Bed:
    return make_bed()


@pytest.fixture(scope="module")
def came_up(bed: Bed) -> UpResult:
    return bed.region.up()


def node_of(bed: Bed) -> str:
    (name,) = bed.instances()
    return name


def test_an_empty_machine_becomes_a_region_that_serves(bed: Bed, came_up: UpResult) -> None:
    status, text = bed.get()
    assert status == 200
    assert "v1" in text
    assert came_up.urls == {"hello": f"http://{came_up.vip}/"}
    assert list(came_up.seconds) == ["cloud", "machines", "boot", "configure", "services", "verify"]


def test_the_vip_tells_release_and_configuration(bed: Bed, came_up: UpResult) -> None:
    status, text = bed.get("/readyz")
    told = json.loads(text)
    assert status == 200
    assert told["ready"] is True
    assert told["config"] == came_up.config
    assert told["releases"]["hello"]["tag"] == "v1"


def test_the_status_is_ready_and_carries_the_documented_figures(bed: Bed, came_up: UpResult) -> None:
    done = bed.run("region", "status", "home", "--output", "json")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert told["ready"] is True
    assert told["vip"] == came_up.vip
    (node,) = told["nodes"]
    assert node["name"] == node_of(bed)
    assert 0 < node["memory_used_mb"] < node["memory_total_mb"] <= 1024
    assert 0 < node["disk_used_percent"] < 100
    (service,) = told["services"]
    assert service["slot"] in ("blue", "green")
    assert service["digest"].startswith("sha256:")
    assert service["release"].startswith("v1-")


def test_the_table_for_people_names_node_service_and_address(bed: Bed, came_up: UpResult) -> None:
    told = bed.run("region", "status", "home").stdout
    assert node_of(bed) in told
    assert f"http://{came_up.vip}/" in told


def test_the_doctor_finds_nothing_but_what_the_disk_of_this_machine_may_be(bed: Bed, came_up: UpResult) -> None:
    told = json.loads(bed.run("region", "doctor", "home", "--output", "json").stdout)
    assert told["nodes"] == [node_of(bed)]
    assert [one for one in told["findings"] if not one["what"].startswith("/")] == []


def test_a_second_run_changes_nothing_and_says_so(bed: Bed, came_up: UpResult) -> None:
    done = bed.run("region", "up", "home", "--output", "json")
    told = json.loads(done.stdout)
    assert (told["changed_tasks"], told["deployed"], told["config"]) == (0, False, came_up.config)
    assert "nothing to change" in done.stderr
    assert bed.region.plan().actions == ()


@pytest.mark.usefixtures("came_up")
def test_running_every_playbook_again_changes_nothing(bed: Bed) -> None:
    assert bed.region.up(reconfigure=True).changed_tasks == 0


@pytest.mark.usefixtures("came_up")
def test_the_node_is_as_small_as_promised_and_shows_real_systemd(bed: Bed) -> None:
    name = node_of(bed)
    assert lxc("exec", name, "--", "nproc").strip() == "1"
    assert lxc("exec", name, "--", "systemctl", "is-system-running").strip() == "running"
    assert "passwordauthentication no" in lxc("exec", name, "--", "sshd", "-T")


@pytest.mark.usefixtures("came_up")
def test_the_host_key_is_pinned_and_another_one_is_refused(bed: Bed) -> None:
    known_hosts = bed.folder / ".du" / "regions" / "home" / "known_hosts"
    pinned = known_hosts.read_text()
    shown = lxc("exec", node_of(bed), "--", "cat", "/etc/ssh/ssh_host_ed25519_key.pub")
    assert shown.split()[1] in pinned
    from du_infra.control.context import RegionContext
    from du_infra.engines import ssh

    context = RegionContext(bed.region.fleet.spec, "home", bed.folder)
    target = context.target(context.store.pool("home").nodes[0])
    ssh.close(target)
    key = pinned.split()[2]
    known_hosts.write_text(pinned.replace(key, key[:40] + ("A" if key[40] != "A" else "B") + key[41:]))
    try:
        with pytest.raises(Refused, match="host key"):
            ssh.run(target, ["true"])
    finally:
        known_hosts.write_text(pinned)


@pytest.mark.usefixtures("came_up")
def test_no_secret_is_in_the_state_and_nobody_else_may_read_ours(bed: Bed) -> None:
    home = bed.folder / ".du"
    assert home.stat().st_mode & 0o077 == 0
    private = (home / "keys" / "id_ed25519").read_text().splitlines()[1]
    state = next(home.rglob("terraform.tfstate")).read_text()
    assert private not in state
    assert "PRIVATE KEY" not in state


@pytest.mark.usefixtures("came_up")
def test_only_ssh_and_the_gateway_are_open_to_the_outside(bed: Bed) -> None:
    rules = lxc("exec", node_of(bed), "--", "nft", "list", "table", "inet", "du_infra")
    assert "policy drop" in rules
    assert "80" in rules
    assert "443" in rules


@pytest.mark.usefixtures("came_up")
def test_a_new_tag_goes_live_in_the_other_slot_and_no_request_is_lost(bed: Bed) -> None:
    before = bed.region.status().services[0]
    vip = bed.region.status().vip
    answers: list[int | str] = []
    over = threading.Event()

    def ask() -> None:
        while not over.is_set():
            try:
                answers.append(http_get(vip, "/", timeout=5)[0])
            except OSError as error:
                answers.append(str(error))
            time.sleep(0.01)

    client = threading.Thread(target=ask)
    client.start()
    bed.write(tag="v2")
    try:
        bed.region.up()
    finally:
        time.sleep(0.5)
        over.set()
        client.join()
    after = bed.region.status().services[0]
    assert after.tag == "v2"
    assert after.slot != before.slot
    assert "v2" in bed.get()[1]
    assert len(answers) > 50
    assert set(answers) == {200}


@pytest.mark.usefixtures("came_up")
def test_a_version_that_never_gets_ready_is_refused_and_the_old_one_serves_on(bed: Bed) -> None:
    bed.write(tag="never-ready", more=", start_timeout: 4s")
    try:
        with pytest.raises(NotReady, match="503") as error:
            bed.region.up()
        assert "hello" in error.value.where
        assert bed.get() == (200, bed.get()[1])
        assert "v2" in bed.get()[1]
    finally:
        bed.write(tag="v2")
    assert bed.region.up().deployed is False  # it went back by itself
    assert bed.region.status().ready


@pytest.mark.usefixtures("came_up")
def test_a_version_without_its_readiness_path_says_which_answer_came(bed: Bed) -> None:
    bed.write(tag="no-readyz", more=", start_timeout: 4s")
    try:
        done = bed.run("region", "up", "home")
    finally:
        bed.write(tag="v2")
    assert done.returncode == 6
    assert "404" in done.stderr
    assert "Traceback" not in done.stderr
    bed.region.up()


@pytest.mark.usefixtures("came_up")
def test_a_file_changed_by_hand_is_seen_and_put_right(bed: Bed) -> None:
    lxc("exec", node_of(bed), "--", "sh", "-c", "echo '# mine' >> /etc/nginx/nginx.conf")
    (action,) = bed.region.plan().actions
    assert action.kind == "configure"
    assert "/etc/nginx/nginx.conf" in action.why
    assert bed.region.up().changed_tasks > 0
    assert bed.region.plan().actions == ()


@pytest.mark.usefixtures("came_up")
def test_a_reboot_brings_everything_back_without_us(bed: Bed) -> None:
    vip = bed.region.status().vip
    lxc("restart", "--force", node_of(bed))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if http_get(vip, "/readyz", timeout=1)[0] == 200 and http_get(vip, "/", timeout=1)[0] == 200:
                break
        except OSError:
            time.sleep(0.2)
    assert "v2" in bed.get()[1]


@pytest.mark.usefixtures("came_up")
def test_a_stopped_node_is_started_again(bed: Bed) -> None:
    lxc("stop", "--force", node_of(bed))
    assert bed.region.plan().actions[0].kind == "start"
    bed.region.up()
    assert bed.region.status().ready


@pytest.mark.usefixtures("came_up")
def test_a_service_that_leaves_the_fleet_file_leaves_the_node(bed: Bed) -> None:
    bed.write_text(f"fleet: {bed.name}\nregions:\n  home: {{provider: lxd}}\n")
    bed.region.up()
    assert bed.get()[0] == 404
    names = lxc("exec", node_of(bed), "--", "nerdctl", "-n", "du", "ps", "--all", "--format", "{{.Names}}")
    assert "du-hello" not in names
    bed.write()
    bed.region.up()
    assert bed.get()[0] == 200


@pytest.mark.usefixtures("came_up")
def test_down_leaves_no_instance_and_no_state(bed: Bed) -> None:
    nodes = tuple(bed.instances())
    refused = bed.run("region", "down", "home")
    assert refused.returncode == 4
    assert bed.instances() == list(nodes)
    done = bed.run("region", "down", "home", "--yes", "--output", "json")
    assert json.loads(done.stdout)["nodes"] == list(nodes)
    assert bed.instances() == []
    assert [p.name for p in bed.folder.iterdir()] == ["fleet.yaml"]
