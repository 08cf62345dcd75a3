"""A region with Docker: it comes up, serves, releases with another secret and back, and heals after every death."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from du_infra.errors import EngineFailed, Refused, SpecError
from tests.region.conftest import HELLO, Bed, lxc
from tests.region.du_node_bed import Load

pytestmark = pytest.mark.lxd

READ = "import sys; sys.stdout.write(open('/run/secrets/DB').read())"
QUIET = 0.02


def write(bed: Bed, *, tag: str = "v1", runtime: str = "docker", source: str = "db", nodes: int = 1) -> None:
    settings = f"secrets: {{DB: {{file: {source}}}}}, volumes: {{data: /var/lib/app}}, release: {{observe: 0s}}"
    bed.write_text(
        f"fleet: {bed.name}\n"
        f"regions:\n  home: {{provider: lxd, runtime: {runtime}, pool: {{nodes: {nodes}}}}}\n"
        f"services:\n  hello: {{image: {HELLO}, tag: {tag}, port: 8080, cpus: 0.9, memory: 96m, {settings}}}\n"
    )


def put(bed: Bed, name: str, value: str) -> None:
    path = bed.folder / name
    path.write_text(value)
    path.chmod(0o600)


@pytest.fixture(scope="module")
def bed(make_bed: Callable[[], Bed]) -> Bed:
    bed = make_bed()
    put(bed, "db", "s3cret one")
    write(bed)
    bed.region.up()
    return bed


def node_of(bed: Bed) -> str:
    (name,) = bed.instances()
    return name


def sh(bed: Bed, script: str) -> str:
    return lxc("exec", node_of(bed), "-T", "--", "sh", "-c", script)


def secret(bed: Bed) -> str:
    """What the service reads."""
    return sh(bed, f'docker exec $(docker ps -q) /usr/bin/python3.11 -c "{READ}"')


def await_200(bed: Bed, seconds: float = 60) -> None:
    deadline, good = time.monotonic() + seconds, 0
    while good < 5:
        assert time.monotonic() < deadline
        try:
            good = good + 1 if bed.get()[0] == 200 else 0
        except OSError:
            good = 0
        time.sleep(0.2)


def test_it_serves_and_says_what_it_is_made_of(bed: Bed) -> None:
    assert "version v1" in bed.get()[1]
    assert "docker" in bed.run("region", "status", "home").stdout
    assert secret(bed) == "s3cret one"
    assert sh(bed, "docker info --format '{{.Driver}} {{.LiveRestoreEnabled}}'").split() == ["overlay2", "true"]
    assert "nerdctl" not in sh(bed, "ls /usr/local/bin")
    assert bed.region.up().changed_tasks == 0


def test_a_release_with_another_secret_and_the_way_back_lose_no_request(bed: Bed) -> None:
    with Load(bed.region.status().vip, clients=2, pause=QUIET) as load:
        put(bed, "db", "s3cret two")
        bed.region.release("hello", "v2")
        assert secret(bed) == "s3cret two"
        (bed.folder / "db").unlink()  # the way back needs no source: the node still has the value
        bed.region.rollback("hello")
    assert (secret(bed), load.failed) == ("s3cret one", {})
    assert load.releases.keys() == {row.release for row in bed.region.releases("hello")}
    with pytest.raises(SpecError, match="No such file"):
        bed.region.release("hello", "v2")


def test_no_value_is_left_anywhere_on_this_machine(bed: Bed) -> None:
    read = [path for path in bed.folder.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert read == []


def test_a_source_that_others_may_read_is_refused(bed: Bed) -> None:
    put(bed, "db", "s3cret one")
    (bed.folder / "db").chmod(0o644)
    with pytest.raises(Refused, match="other users"):
        bed.region.up()
    (bed.folder / "db").chmod(0o600)


def test_another_runtime_is_refused_before_anything_changes(bed: Bed) -> None:
    write(bed, runtime="containerd")
    with pytest.raises(EngineFailed, match="made with runtime: docker"):
        bed.region.up()
    with pytest.raises(Refused, match="made with runtime: docker"):
        bed.region.plan()
    before = bed.instances()
    write(bed, runtime="containerd", nodes=2)
    with pytest.raises(Refused, match="made with runtime: docker"):
        bed.region.up()
    assert bed.instances() == before
    write(bed)
    assert bed.get()[0] == 200


def test_a_killed_dockerd_costs_no_request_and_a_killed_container_comes_back(bed: Bed) -> None:
    with Load(bed.region.status().vip, clients=2, pause=QUIET) as load:
        sh(bed, "kill -9 $(pidof dockerd containerd)")
        time.sleep(4)
    assert not load.failed
    sh(bed, "docker kill $(docker ps -q)")
    await_200(bed)


def test_a_killed_dockerd_refuses_no_connection_to_a_copy(bed: Bed) -> None:
    bound = "{{range .HostConfig.PortBindings}}{{(index . 0).HostPort}}{{end}}"
    port = sh(bed, f"docker inspect --format '{bound}' $(docker ps -q)").strip()
    dial = f"while time.time()<end: socket.create_connection(('127.0.0.1',{port}),3).close()"
    script = f"import socket,time\nend=time.time()+6\n{dial}"
    sh(bed, f'(sleep 1; kill -9 $(pidof dockerd)) & python3 -c "{script}"; wait')
    assert "hold" not in sh(bed, "nft list tables")


def test_a_node_that_is_started_anew_serves_by_itself(bed: Bed) -> None:
    lxc("restart", "-f", node_of(bed))
    await_200(bed)
    assert secret(bed) == "s3cret one"
    assert bed.region.status().ready
