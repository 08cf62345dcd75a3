"""The command before a release runs once for an attempt, whoever is killed, and how it ended is known afterwards."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from du_node import before, places, processes
from du_node.errors import NodeError
from du_node.runtime.driver import ContainerState
from du_node.runtime.logs import end_of_file, log_file
from du_node.state import Service

DIGEST = "sha256:" + "1" * 64
SERVICE = {
    "name": "hello",
    "release": "v2-1",
    "tag": "v2",
    "image": f"registry/hello@{DIGEST}",
    "digest": DIGEST,
    "port": 8080,
    "stop_grace": 1,
}


class Paper:
    """A runtime whose containers are processes of this machine. The command is really run, without an image."""

    storage = "/"

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.there = False
        self.told = ""
        self.pulled = 0
        self.runs: list[str] = []

    def ensure(self) -> None: ...

    def images(self) -> frozenset[str]:
        return frozenset()

    def architecture(self, image: str) -> str:
        return ""

    def pull(self, service: Service) -> None:
        self.pulled += 1

    def state(self, name: str) -> ContainerState:
        assert name == "du-hello-before"
        if not self.there or self.process is None:
            return ContainerState()
        code = self.process.poll()
        pid = self.process.pid if code is None else 0
        return ContainerState(exists=True, running=code is None, pid=pid, exit_code=-1 if code is None else code)

    def start_before(self, service: Service, attempt: str, command: Sequence[str]) -> None:
        self.runs.append(attempt)
        Path(places.LOGS, "hello-before.log").write_text("the last word\n")
        self.process, self.there = subprocess.Popen(command), True

    def last_lines(self, service: str, slot: str) -> str:
        return end_of_file(log_file(service, slot), 20)

    def remove_name(self, name: str) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
        self.there = False


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Paper]:
    for name in ("BEFORE", "LOGS"):
        monkeypatch.setattr(places, name, str(tmp_path))
    monkeypatch.setattr(places, "LOCK", str(tmp_path / "lock"))
    made = Paper()
    # threads stand for the processes that they are on a node
    monkeypatch.setattr(before.files.os, "getpid", threading.get_native_id)
    monkeypatch.setattr(before.runtime, "chosen", lambda lock=None: made)
    yield made
    made.remove_name("")


def order(attempt: str = "a1", *command: str, timeout: float = 20, **service: Any) -> str:
    words = list(command) or ["true"]
    return json.dumps({"attempt": attempt, "service": {**SERVICE, **service}, "command": words, "timeout": timeout})


def failure(text: str) -> NodeError:
    with pytest.raises(NodeError) as failed:
        before.before(text)
    return failed.value


def test_a_command_that_ends_well_runs_once_however_often_it_is_asked_for(tool: Paper) -> None:
    assert before.before(order()) == "the last word"
    assert before.before(order()) == "the last word"
    assert (tool.runs, tool.pulled, tool.there) == (["a1"], 1, False)
    before.before(order("a2"))
    assert tool.runs == ["a1", "a2"]


def test_a_failure_names_command_and_exit_code_with_the_log_and_is_not_tried_again(tool: Paper) -> None:
    for _ in range(2):
        error = failure(order("a1", "sh", "-c", "exit 3"))
        assert (error.kind, error.exit_code, error.service) == ("before", 5, "hello")
        assert "`sh -c 'exit 3'`, which runs before v2 goes live, ended with exit code 3" in error.what
        assert "the last word" in error.detail
    assert tool.runs == ["a1"]


def test_what_takes_too_long_is_ended(tool: Paper) -> None:
    began = time.monotonic()
    assert "took more than 1 s and was ended" in failure(order("a1", "sleep", "60", timeout=1)).what
    assert time.monotonic() - began < 10
    assert not tool.there


def test_whoever_comes_again_while_it_runs_waits_for_it(tool: Paper) -> None:
    first = threading.Thread(target=before.before, args=(order("a1", "sleep", "0.5"),))
    first.start()
    while not tool.runs:
        time.sleep(0.01)
    assert before.images_in_use() == {SERVICE["image"]}
    before.before(order("a1", "sleep", "0.5"))
    first.join()
    assert tool.runs == ["a1"]
    assert before.images_in_use() == frozenset()


def test_a_command_is_stopped_and_whoever_waits_for_it_is_told_and_it_never_runs_again(tool: Paper) -> None:
    errors: list[NodeError] = []

    def wait() -> None:
        try:
            before.before(order("a1", "sleep", "60"))
        except NodeError as error:
            errors.append(error)

    first = threading.Thread(target=wait)
    first.start()
    while not tool.runs or before.files.holder():
        time.sleep(0.01)
    began = time.monotonic()
    assert before.stop(order("a1", "sleep", "60"))
    first.join()
    assert time.monotonic() - began < 10
    assert "was stopped, because the release is given up" in errors[0].what
    assert (tool.there, before.images_in_use()) == (False, frozenset())
    assert before.stop(order("a1", "sleep", "60"))  # killed after it had said so, it is told again
    assert "was stopped" in failure(order("a1", "sleep", "60")).what
    assert tool.runs == ["a1"]


def test_a_command_that_is_stopped_before_it_began_never_begins_and_one_that_ended_is_left(tool: Paper) -> None:
    assert before.before(order("a1")) == "the last word"
    assert not before.stop(order("a1"))
    assert before.before(order("a1")) == "the last word"
    assert before.stop(order("a2"))
    assert "was stopped" in failure(order("a2")).what
    assert before.before(order("a3")) == "the last word"
    assert tool.runs == ["a1", "a3"]


def test_the_node_may_be_changed_while_the_command_runs(tool: Paper) -> None:
    thread = threading.Thread(target=before.before, args=(order("a1", "sleep", "0.7"),))
    thread.start()
    while not tool.runs:
        time.sleep(0.01)
    lock = before.files.Lock("heal")
    lock.take(0.4)
    lock.free()
    thread.join()


def test_killed_before_the_container_was_there_the_same_attempt_starts_it(
    tool: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(tool, "pull", lambda service: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            before.before(order())
    assert before.before(order()) == "the last word"
    assert tool.runs == ["a1"]


def test_killed_while_it_ran_or_just_after_its_end_it_is_not_run_again(
    tool: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("wait", "chosen"):
        with monkeypatch.context() as broken:
            if name == "wait":
                broken.setattr(before.processes, "wait", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            else:
                broken.setattr(tool, "remove_name", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                before.before(order("a1", "sleep", "0.3"))
        assert before.images_in_use() == {SERVICE["image"]}
    assert before.before(order("a1", "sleep", "0.3")) == "the last word"
    assert tool.runs == ["a1"]
    assert before.images_in_use() == frozenset()


def test_a_container_that_vanished_or_lost_its_end_is_no_success(tool: Paper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "state", lambda name: ContainerState(exists=True))
    assert "was cut off, and how far it came is not known" in failure(order()).what


def test_a_container_that_cannot_be_started_is_removed_and_the_attempt_may_be_made_again(
    tool: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        trouble = NodeError("tool", "no", detail="no such file")
        broken.setattr(tool, "start_before", lambda *_: (_ for _ in ()).throw(trouble))
        error = failure(order())
        assert (error.kind, "could not be started" in error.what, "no such file" in error.detail) == (
            "before",
            True,
            True,
        )
    assert before.before(order()) == "the last word"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object"),
        (order().replace('["true"]', "[]"), "command must be a list of texts"),
        (order().replace('["true"]', "[1]"), "command must be a list of texts"),
        (order("../x"), "attempt"),
        (order(name="../x"), "services"),
        (order(timeout=0), "timeout"),
    ],
)
def test_a_malformed_order_names_what_is_wrong(text: str, words: str) -> None:
    error = failure(text)
    assert (error.kind, words in error.what) == ("bad-wanted", True), error.what


def test_the_end_of_a_process_that_is_no_child_is_waited_for() -> None:
    done = subprocess.run(["sh", "-c", "sleep 0.4 >/dev/null 2>&1 & echo $!"], capture_output=True, check=True)
    pid = int(done.stdout)
    assert not processes.wait(pid, 0.1)
    assert processes.wait(pid, 5)
    assert processes.wait(2**22 + 1, 5)
