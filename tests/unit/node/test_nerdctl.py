"""nerdctl's command lines and words."""

from __future__ import annotations

import json
import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from du_node.command import Done
from du_node.runtime import arguments, nerdctl
from du_node.runtime.arguments import run_arguments
from du_node.runtime.nerdctl import Nerdctl
from du_node.runtime.words import pull_error
from du_node.state import Route
from tests.unit.node.world import service

SECRET = replace(
    service(), env=(("KEY", "s3cret"), ("PEM", "line one\nline two s3cret")), memory_mb=64, command=("a", "b")
)


def test_no_value_of_the_environment_stands_on_the_command_line() -> None:
    words = run_arguments(SECRET, "blue", 20000, Path("/log"), 7)
    assert "s3cret" not in " ".join(words)
    assert words[words.index("--env-file") + 1] == "/dev/fd/7"
    assert words[words.index("--env") + 1] == "PEM"


def test_the_container_is_published_on_loopback_alone_with_its_limits_and_command() -> None:
    words = run_arguments(SECRET, "blue", 20000, Path("/log"), 7)
    assert words[words.index("--publish") + 1] == "127.0.0.1:20000:8080"
    assert words[words.index("--memory") + 1] == "64m"
    assert words[words.index("--name") + 1] == "du-hello-blue"
    assert words[-3:] == [SECRET.image, "a", "b"]


def test_what_nerdctl_lists_is_what_was_run(monkeypatch: pytest.MonkeyPatch) -> None:
    made = replace(SECRET, route=Route("www.example.com", "/a,b", "/r"), start_timeout=5, stop_grace=3)
    words = run_arguments(made, "green", 20001, Path("/log"), 7)
    labels = dict(words[n + 1].split("=", 1) for n, word in enumerate(words) if word == "--label")
    rows = [("du-hello-green", "Up"), ("du-hello-green", "Exited (3) 2 seconds ago"), ("other", "Up")]
    lines = [
        "\t".join(json.dumps(cell) for cell in (name, made.image, status, labels if name != "other" else None))
        for name, status in rows
    ]
    monkeypatch.setattr(nerdctl, "run", lambda *_, **__: Done(0, "\n".join(lines), ""))
    up, down = Nerdctl().containers()
    assert up.running
    assert up.serves(made)
    assert (up.slot, up.port, up.route, up.start_timeout, up.stop_grace) == ("green", 20001, made.route, 5, 3)
    assert (down.running, down.exit_code) == (False, 3)


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        ("dial tcp 198.18.0.1:5000: connect: connection refused", "registry", 8),
        ("dial tcp: lookup registry.local: no such host", "registry", 8),
        ("registry.local:5000/hello@sha256:r1: not found", "image", 5),
        ("write /var/lib/containerd/x: no space left on device", "no-room", 5),
        ("unexpected status: 401 Unauthorized", "image", 5),
        ("something new", "image", 5),
    ],
)
def test_a_failed_pull_says_what_kind_of_trouble_it_is(words: str, kind: str, code: int) -> None:
    error = pull_error(service(), f'time="x" level=info msg="trying next host"\nfatal: {words}')
    assert (error.kind, error.exit_code, error.service) == (kind, code, "hello")
    assert words in error.detail
    assert "trying next host" not in error.detail


def test_the_environment_is_never_on_a_disk() -> None:
    with arguments.SecretFile([("A", "1"), ("B", "x=y")]) as descriptor:
        target = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        assert target.startswith("/memfd:")
        assert stat.S_ISREG(os.fstat(descriptor).st_mode)
        assert Path(f"/dev/fd/{descriptor}").read_text() == "A=1\nB=x=y\n"
