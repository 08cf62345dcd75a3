"""The SSH engine against a stand-in for the ssh program: what is asked of it, and how its words become errors."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from pathlib import Path

import pytest

from du_infra.engines import ssh
from du_infra.errors import Refused, ToolMissing, Unreachable

_REAL = """@@@@@@@@@@@
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @
Host key for demo-home-1 has changed and you have requested strict checking.
Host key verification failed.
"""


@pytest.fixture
def target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssh.Target:
    monkeypatch.setenv("DU_INFRA_RUN", str(tmp_path / "run"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "bin").mkdir()
    return ssh.Target("demo-home-1", "198.18.1.10", tmp_path / "id", tmp_path / "known_hosts")


def stand_in(tmp_path: Path, script: str) -> None:
    """Put a program called ssh in front of the real one; it gets ssh's arguments."""
    program = tmp_path / "bin" / "ssh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_a_command_comes_back_with_its_exit_code_and_both_outputs(tmp_path: Path, target: ssh.Target) -> None:
    stand_in(tmp_path, "cat; echo oops >&2; exit 3")
    assert ssh.run(target, ["du-node", "apply"], stdin="wanted") == ssh.Result(3, "wanted", "oops\n")


def test_files_go_in_and_come_out_byte_by_byte_for_their_owner_alone(tmp_path: Path, target: ssh.Target) -> None:
    stand_in(tmp_path, "cat; echo oops >&2; exit 3")
    source, into = tmp_path / "source", tmp_path / "into"
    source.write_bytes(bytes(range(256)) * 999)
    assert ssh.run(target, ["cat"], stdin=source, into=into) == ssh.Result(3, "", "oops\n")
    assert into.read_bytes() == source.read_bytes()
    assert stat.S_IMODE(into.stat().st_mode) == 0o600


def test_the_remote_command_is_quoted_for_the_shell_on_the_node(tmp_path: Path, target: ssh.Target) -> None:
    stand_in(tmp_path, 'for last; do :; done; eval "set -- $last"; for word; do echo "[$word]"; done')
    result = ssh.run(target, ["echo", "two words", "$(reboot)", "it's"])
    assert result.stdout.splitlines() == ["[echo]", "[two words]", "[$(reboot)]", "[it's]"]


def test_the_host_key_is_pinned_by_name_and_nothing_of_the_user_is_used(target: ssh.Target) -> None:
    options = ssh.common_args(target)
    for wanted in (
        "StrictHostKeyChecking=yes",
        "HostKeyAlias=demo-home-1",
        f'UserKnownHostsFile="{target.known_hosts}"',
        "GlobalKnownHostsFile=none",
        "IdentitiesOnly=yes",
        "BatchMode=yes",
    ):
        assert wanted in options
    assert options[:2] == ["-F", "none"]


def test_paths_with_spaces_and_percent_signs_survive_sshs_option_parser(tmp_path: Path, target: ssh.Target) -> None:
    odd = ssh.Target("n", "198.18.1.1", tmp_path / "a b" / "50%", tmp_path / "k")
    assert f'IdentityFile="{tmp_path}/a b/50%%"' in ssh.common_args(odd)


@pytest.mark.parametrize("depth", [1, 60])
def test_the_control_socket_fits_into_a_unix_address_and_its_folder_is_private(
    depth: int, tmp_path: Path, target: ssh.Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DU_INFRA_RUN", str(tmp_path / "/".join(["long"] * depth)))
    socket = ssh.control_path(target)
    assert len(str(socket)) + 17 <= 107
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700


def test_a_folder_for_sockets_that_another_user_made_is_not_used(
    target: ssh.Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(prefix="du-") as name:  # a worker's own folder is too long for a socket
        folder = Path(name)
        monkeypatch.setenv("DU_INFRA_RUN", str(folder / "run"))
        monkeypatch.setenv("DU_INFRA_CACHE", str(folder / "cache"))
        assert ssh.control_path(target).parent == folder / "run" / "ssh"
        monkeypatch.setattr(ssh.os, "access", lambda path, mode: False)
        assert ssh.control_path(target).parent == folder / "cache" / "ssh"


def test_nodes_of_two_regions_never_share_a_connection(tmp_path: Path, target: ssh.Target) -> None:
    other = ssh.Target(target.name, target.address, target.key_file, tmp_path / "other_known_hosts")
    assert ssh.control_path(other) != ssh.control_path(target)


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        (_REAL, Refused, "not the one that is pinned"),
        ("No ED25519 host key is known for x\nHost key verification failed.", Refused, "not the one that is pinned"),
        ("root@x: Permission denied (publickey).", Unreachable, "does not accept our SSH key"),
        ("ssh: connect to host x port 22: Connection refused", Unreachable, "Connection refused"),
        ("ssh: connect to host x port 22: Connection timed out", Unreachable, "Connection timed out"),
        ("", Unreachable, "without a word"),
    ],
)
def test_sshs_own_words_become_one_clear_error(
    words: str, error: type[Exception], says: str, tmp_path: Path, target: ssh.Target
) -> None:
    (tmp_path / "words").write_text(words)
    stand_in(tmp_path, f"cat {tmp_path}/words >&2; exit 255")
    with pytest.raises(error, match=says) as caught:
        ssh.run(target, ["true"])
    assert "demo-home-1 (198.18.1.10)" in str(caught.value)


def test_a_command_that_does_not_end_in_time_is_unreachable(tmp_path: Path, target: ssh.Target) -> None:
    stand_in(tmp_path, "exec sleep 30")
    started = time.monotonic()
    with pytest.raises(Unreachable, match=r"within 0\.3 s"):
        ssh.run(target, ["true"], timeout=0.3)
    with pytest.raises(Unreachable, match=r"within 0\.3 s"):
        ssh.stream(target, ["true"], "", lambda line: None, timeout=0.3)
    assert time.monotonic() - started < 5


def test_lines_are_handed_over_while_the_command_still_runs(tmp_path: Path, target: ssh.Target) -> None:
    stand_in(tmp_path, "read first; echo one $first; sleep 0.5; echo two; echo err >&2; exit 6")
    seen: list[tuple[str, float]] = []
    result = ssh.stream(target, ["x"], "hello\n", lambda line: seen.append((line, time.monotonic())))
    assert [line for line, _ in seen] == ["one hello", "two"]
    assert seen[1][1] - seen[0][1] > 0.3
    assert result == ssh.Result(6, "", "err\n")


def test_a_listener_that_fails_ends_the_client(tmp_path: Path, target: ssh.Target) -> None:
    stand_in(tmp_path, f"echo $$ > {tmp_path}/pid; echo line; exec sleep 30")

    def stop(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ssh.stream(target, ["x"], "", stop)
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()


def test_a_large_input_to_a_command_that_does_not_read_it_is_no_error(tmp_path: Path, target: ssh.Target) -> None:
    stand_in(tmp_path, "exec true")
    assert ssh.stream(target, ["x"], "y" * 10_000_000, lambda line: None).rc == 0


def test_without_openssh_the_error_names_the_package(target: ssh.Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolMissing) as caught:
        ssh.run(target, ["true"])
    assert "openssh-client" in caught.value.todo


def test_closing_without_a_connection_starts_no_program(tmp_path: Path, target: ssh.Target) -> None:
    stand_in(tmp_path, f"touch {tmp_path}/started")
    ssh.close(target)
    assert not (tmp_path / "started").exists()
