"""Command lines and words of nerdctl and docker: the same tests for both where they do the same."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from du_node import places, runtime, secrets, settings
from du_node.command import Done
from du_node.errors import NodeError
from du_node.runtime import arguments, cli
from du_node.runtime.arguments import Given, before_arguments, run_arguments
from du_node.runtime.cli import state_of
from du_node.runtime.docker import Docker
from du_node.runtime.driver import ContainerState, Runtime
from du_node.runtime.labels import LABELS
from du_node.runtime.mounts import mounts
from du_node.runtime.nerdctl import Nerdctl
from du_node.runtime.owner import owner_of
from du_node.runtime.words import pull_error
from du_node.state import Route, Service
from tests.unit.node.world import service

GIVEN = Given(7, ["--mount", "m"], ["--log-driver", "l"])
MARK = "0123456789abcdef"
FULL = replace(
    service(),
    env=(("KEY", "s3cret"), ("PEM", "line one\nline two s3cret")),
    memory_mb=64,
    cpus=0.5,
    volumes=(("cache", "/data/cache"), ("data", "/data")),
    secrets=(("DB", MARK),),
    command=("a", "b"),
)
Tool = Nerdctl | Docker


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRETS", "VOLUMES", "PULLED", "LOGS", "RUN", "SETTINGS"):
        monkeypatch.setattr(places, name, str(tmp_path / name.lower()))


@pytest.fixture(params=[Nerdctl, Docker])
def tool(request: pytest.FixtureRequest) -> Iterator[Tool]:
    yield request.param()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[str]]]:
    """Makes every command answer the same; returns what was run."""

    def answer(out: str = "", err: str = "", code: int = 0) -> list[list[str]]:
        ran: list[list[str]] = []

        def run(argv: list[str], **_: object) -> Done:
            ran.append(argv)
            return Done(code, out, err)

        monkeypatch.setattr(cli, "run", run)
        return ran

    return answer


def words_after(words: list[str], option: str) -> list[str]:
    return [words[n + 1] for n, word in enumerate(words) if word == option]


def row_of(tool: Tool, made: Service, status: str, labels: dict[str, str]) -> str:
    """A line of ``ps``, as this program prints it with the format that we give it."""
    head = [json.dumps(made.image), json.dumps(status)]
    if tool.kind == "containerd":
        return "\t".join([*head, json.dumps(labels)])
    return "\t".join([*head, *(json.dumps(labels.get(label, "")) for label in LABELS)])


def test_no_value_of_the_environment_stands_on_the_command_line() -> None:
    words = run_arguments(FULL, "blue", 20000, GIVEN)
    assert "s3cret" not in " ".join(words)
    assert words_after(words, "--env-file") == ["/dev/fd/7"]
    assert words_after(words, "--env") == ["PEM"]


def test_the_container_is_published_on_loopback_alone_with_its_limits_and_command() -> None:
    words = run_arguments(FULL, "blue", 20000, GIVEN)
    assert words_after(words, "--publish") == ["127.0.0.1:20000:8080"]
    assert (words_after(words, "--memory"), words_after(words, "--cpus")) == (["64m"], ["0.5"])
    assert (words_after(words, "--mount"), words_after(words, "--log-driver")) == (["m"], ["l"])
    assert words_after(words, "--name") == ["du-hello-blue"]
    assert words[-3:] == [FULL.image, "a", "b"]


def test_a_command_that_runs_before_has_the_settings_and_no_port() -> None:
    words = before_arguments(FULL, "7", ["migrate", "up"], GIVEN)
    assert "--publish" not in words
    assert words_after(words, "--entrypoint") == ["migrate"]
    assert words[-2:] == [FULL.image, "up"]
    assert words_after(words, "--mount") == ["m"]
    assert "du.before=7" in words_after(words, "--label")


def test_a_service_without_settings_gets_none() -> None:
    words = run_arguments(service(), "blue", 20000, Given(7))
    assert not {"--env-file", "--memory", "--cpus", "--mount", "--log-driver"} & set(words)


def test_what_is_listed_is_what_was_run(tool: Tool, said: Callable[..., list[list[str]]]) -> None:
    made = replace(FULL, route=Route("www.example.com", "/a,b=c", "/r"), start_timeout=5, stop_grace=3)
    labels = dict(word.split("=", 1) for word in words_after(run_arguments(made, "green", 20001, Given(7)), "--label"))
    before = dict(word.split("=", 1) for word in words_after(before_arguments(made, "7", ["x"], Given(7)), "--label"))
    assert {*labels, *before} == set(LABELS)
    rows = [("Up 3 seconds", labels), ("Exited (3) 2 seconds ago", labels), ("Up", before)]
    said("\n".join(row_of(tool, made, *row) for row in rows))
    up, down = tool.containers()
    assert up.running
    assert up.serves(made)
    assert (up.slot, up.port, up.route, up.start_timeout, up.stop_grace) == ("green", 20001, made.route, 5, 3)
    assert (down.running, down.exit_code) == (False, 3)
    assert tool.secrets_in_use() == {("hello", "DB", MARK)}


def test_docker_lists_nothing_that_is_not_ours(said: Callable[..., list[list[str]]]) -> None:
    ran = said()
    assert Docker().containers() == ()
    assert words_after(ran[0], "--filter") == ["label=du.service"]


def test_docker_shows_no_image_that_was_not_pulled_for_a_service(said: Callable[..., list[list[str]]]) -> None:
    said("somebody/elses@sha256:0\n<none>@<none>\n" + FULL.image)
    assert Docker().images() == frozenset()
    Docker().pull(FULL)
    assert Docker().images() == {FULL.image}
    Docker().remove_image(FULL.image)
    assert Docker().images() == frozenset()


def test_an_image_that_docker_may_have_pulled_before_a_kill_is_known(said: Callable[..., list[list[str]]]) -> None:
    said(FULL.image, "killed", 137)
    with pytest.raises(NodeError):
        Docker().pull(FULL)
    said(FULL.image)
    assert Docker().images() == {FULL.image}


def test_both_outputs_of_a_docker_log_come_in_the_order_of_their_times(said: Callable[..., list[list[str]]]) -> None:
    out = "2026-01-01T00:00:00.000000001Z one\n2026-01-01T00:00:00.000000003Z three a b\n"
    said(out, "2026-01-01T00:00:00.000000002Z two\n")
    assert Docker().last_lines("hello", "blue", 2) == "two\nthree a b"
    said("", "No such container", 1)
    assert Docker().last_lines("hello", "blue") == ""


def test_a_nerdctl_log_is_a_file_and_the_one_before_is_kept() -> None:
    for text in ("first", "second\nthird"):
        driver, target = Nerdctl().log_words("hello", "blue")
        assert driver == "--log-driver"
        Path(target.removeprefix("file://")).write_text(text)
    assert Nerdctl().last_lines("hello", "blue", 1) == "third"
    assert Path(places.LOGS, "hello-blue.log.1").read_text() == "first"
    assert Nerdctl().last_lines("hello", "green") == ""


def test_removing_what_is_gone_is_as_good(tool: Tool, said: Callable[..., list[list[str]]]) -> None:
    said("", "Error: No such container: du-hello-blue", 1)
    tool.remove_name("du-hello-blue")
    said("", "Error: No such image: x", 1)
    tool.remove_image("x")
    said("", "it is on fire", 1)
    with pytest.raises(NodeError):
        tool.remove_name("du-hello-blue")


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ({"Status": "running", "Pid": 7}, ContainerState(exists=True, running=True, pid=7)),
        ({"Status": "exited", "Pid": 7, "ExitCode": 3}, ContainerState(exists=True, exit_code=3)),
        (
            {"Status": "exited", "ExitCode": 137, "OOMKilled": True},
            ContainerState(exists=True, exit_code=137, oom=True),
        ),
        ({"Status": "created", "Pid": 0, "ExitCode": 0}, ContainerState(exists=True)),
    ],
)
def test_a_container_is_as_the_runtime_tells(told: dict[str, object], state: ContainerState) -> None:
    assert state_of(told) == state


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        ("dial tcp 198.18.0.1:5000: connect: connection refused", "registry", 8),
        ("dial tcp: lookup registry.local: no such host", "registry", 8),
        ("net/http: request canceled while waiting for connection (Client.Timeout exceeded)", "registry", 8),
        ("registry.local:5000/hello@sha256:r1: not found", "image", 5),
        ("manifest for registry.local:5000/hello@sha256:0 not found: manifest unknown: manifest unknown", "image", 5),
        ("write /var/lib/containerd/x: no space left on device", "no-room", 5),
        ("unexpected status: 401 Unauthorized", "image", 5),
        ("pull access denied for hello, repository does not exist or may require 'docker login'", "image", 5),
        ("no match for platform in manifest sha256:0: not found", "image", 5),
        ("no matching manifest for linux/amd64 in the manifest list entries", "image", 5),
        ("something new", "image", 5),
    ],
)
def test_a_failed_pull_says_what_kind_of_trouble_it_is(words: str, kind: str, code: int) -> None:
    error = pull_error(service(), f'time="x" level=info msg="trying next host"\nfatal: {words}')
    assert (error.kind, error.exit_code, error.service) == (kind, code, "hello")
    assert words in error.detail
    assert "trying next host" not in error.detail


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("unexpected commit digest sha256:8c401f3, expected sha256:92403ab", "could not be pulled"),
        ("unexpected status from HEAD request: 403 Forbidden", "does not let the node pull"),
    ],
)
def test_a_status_of_a_registry_is_no_part_of_a_digest(words: str, what: str) -> None:
    assert what in pull_error(service(), words).what


def test_a_daemon_that_does_not_answer_is_named(tool: Tool, said: Callable[..., list[list[str]]]) -> None:
    words = {
        "containerd": "cannot access containerd socket /run/containerd/containerd.sock",
        "docker": "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
    }
    said("", words[tool.kind], 1)
    with pytest.raises(NodeError, match="does not answer") as caught:
        tool.containers()
    assert re.search("journalctl -u (docker|containerd)", caught.value.todo)


def test_the_environment_is_never_on_a_disk() -> None:
    with arguments.SecretFile([("A", "1"), ("B", "x=y")]) as descriptor:
        target = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        assert target.startswith("/memfd:")
        assert stat.S_ISREG(os.fstat(descriptor).st_mode)
        assert Path(f"/dev/fd/{descriptor}").read_text() == "A=1\nB=x=y\n"


@pytest.mark.parametrize(
    ("user", "owner"),
    [
        ("", (0, 0)),
        ("1000", (1000, 0)),
        ("1000:1001", (1000, 1001)),
        ("app", (42, 43)),
        ("app:7", (42, 7)),
        ("app:staff", (42, 43)),
    ],
)
def test_an_images_user_is_known_by_its_numbers(user: str, owner: tuple[int, int]) -> None:
    assert owner_of(user, lambda: "root:x:0:0::/:\nbroken\napp:x:42:43::/:/bin/sh\n") == owner


def test_a_user_that_the_image_does_not_know_is_refused() -> None:
    with pytest.raises(NodeError, match="runs as nobody") as caught:
        owner_of("nobody", lambda: "")
    assert caught.value.kind == "image"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_volumes_belong_to_the_user_of_the_image_and_secrets_can_be_read_by_it_alone() -> None:
    secrets.keep(json.dumps({"hello": {"DB": {"fingerprint": MARK, "value": "s3cret"}}}))
    words = words_after(mounts(FULL, (65534, 65533)), "--mount")
    data, cache = Path(places.VOLUMES, "hello", "data"), Path(places.VOLUMES, "hello", "cache")
    file = Path(places.SECRETS, "hello", f"DB.{MARK}.65534")
    assert words == [
        f"type=bind,source={data},target=/data",
        f"type=bind,source={cache},target=/data/cache",
        f"type=bind,source={file},target=/run/secrets/DB,readonly",
    ]
    assert "s3cret" not in " ".join(words)
    for path, mode in ((data, 0o755), (cache, 0o755), (file, 0o600)):
        found = path.stat()
        assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (65534, 65533, mode)
    mounts(FULL, (1000, 1000))
    assert data.stat().st_uid == 65534, "a volume keeps its owner: another copy may be using it"


def test_a_secret_that_is_not_on_the_node_stops_the_start(tool: Tool, said: Callable[..., list[list[str]]]) -> None:
    ran = said('[{"ImageConfig": {"config": {}}}]' if tool.kind == "containerd" else "\n")
    with pytest.raises(NodeError, match="secret DB"):
        tool.start_new(replace(FULL, volumes=()), "blue", 20000)
    assert not [argv for argv in ran if "run" in argv]


@pytest.mark.parametrize(("kind", "driver"), [("", Nerdctl), ("containerd", Nerdctl), ("docker", Docker)])
def test_the_settings_of_the_node_choose_the_runtime(kind: str, driver: type[Tool]) -> None:
    if kind:
        Path(places.SETTINGS).write_text(json.dumps({"runtime": kind}))
    made: Runtime = runtime.chosen()
    assert type(made) is driver
    assert made.kind == settings.runtime()


def test_a_runtime_that_this_du_node_does_not_know_is_refused() -> None:
    Path(places.SETTINGS).write_text('{"runtime": "podman"}')
    with pytest.raises(NodeError, match="podman"):
        runtime.chosen()
