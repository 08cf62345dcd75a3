"""A run of a playbook: what it reports, how it fails, what it leaves behind. Ansible is real, SSH is not."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from du_infra.engines import ssh
from du_infra.engines.ansible import HostStats, processes, run_playbook
from du_infra.errors import EngineFailed, Unreachable
from du_infra.progress import Event, silent

Write = Callable[[str], str]

_ECHO = """\
    - name: Say it
      ansible.builtin.command: {argv: [echo, "{{ word }}"]}
"""


def test_steps_and_changes_are_reported_by_node_and_counted(
    tmp_path: Path, targets: list[ssh.Target], playbook: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    events: list[Event] = []
    hosts = {"n-1": {"word": "a"}, "n-2": {"word": "b"}}
    outcome = run_playbook(playbook(_ECHO), targets, {}, hosts, tmp_path / "ansible", events.append)
    assert outcome.changed == 2
    assert outcome.hosts == {name: HostStats(ok=1, changed=1) for name in ("n-1", "n-2")}
    for node in ("n-1", "n-2"):
        told = [(event.kind, event.text) for event in events if event.node == node]
        assert told == [("step", "Say it"), ("changed", "Say it")]
    assert {event.stage for event in events} == {"configure"}
    assert capfd.readouterr() == ("", "")


def test_the_users_own_ansible_settings_do_not_bend_the_run(
    tmp_path: Path, targets: list[ssh.Target], playbook: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANSIBLE_VAULT_PASSWORD_FILE", "/nowhere")
    monkeypatch.setenv("ANSIBLE_REMOTE_USER", "nobody")
    monkeypatch.setenv("ANSIBLE_CALLBACKS_ENABLED", "no.such.callback")
    assert run_playbook(playbook(_ECHO), targets, {"word": "x"}, {}, tmp_path / "ansible", silent).changed == 2


def test_ansible_is_found_beside_python_when_path_lacks_it(
    tmp_path: Path, targets: list[ssh.Target], playbook: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert run_playbook(playbook(_ECHO), targets, {"word": "x"}, {}, tmp_path / "ansible", silent).changed == 2


def test_a_secret_is_in_a_private_file_during_the_run_and_nowhere_afterwards(
    tmp_path: Path, targets: list[ssh.Target], playbook: Write
) -> None:
    modes: set[int] = set()
    lines: list[str] = []

    def look(event: Event) -> None:
        for file in (tmp_path / "ansible").rglob("hosts.yml"):
            modes.add(stat.S_IMODE(file.stat().st_mode))
            assert "s3cret" in file.read_text()
        lines.extend(
            entry.read_text(errors="replace")
            for pid in processes.family(str(tmp_path / "ansible"))
            if (entry := Path(f"/proc/{pid}/cmdline")).exists()
        )

    tasks = "    - name: Pass\n      ansible.builtin.assert: {that: secret is defined}\n"
    run_playbook(playbook(tasks), targets, {"secret": "s3cret"}, {}, tmp_path / "ansible", look)
    assert modes == {0o600}
    assert lines and not any("s3cret" in line for line in lines)
    left = [path for path in (tmp_path / "ansible").rglob("*") if path.is_file()]
    assert [path.name for path in left] == ["last.log"]
    assert stat.S_IMODE((tmp_path / "ansible").stat().st_mode) == 0o700
    assert "s3cret" not in left[0].read_text()


def test_a_failure_names_host_task_and_the_modules_own_message(
    tmp_path: Path, targets: list[ssh.Target], playbook: Write
) -> None:
    tasks = """\
    - name: Break the second
      ansible.builtin.command: {argv: [sh, -c, "echo disk is full >&2; exit 4"]}
      when: inventory_hostname == "n-2"
"""
    with pytest.raises(EngineFailed) as caught:
        run_playbook(playbook(tasks), targets, {}, {}, tmp_path / "ansible", silent)
    assert caught.value.where == "n-2"
    assert caught.value.what.startswith("Break the second: ")
    assert "disk is full" in caught.value.detail
    assert "{" not in caught.value.detail


def test_a_node_that_cannot_be_reached_is_said_in_sshs_own_words(
    tmp_path: Path, targets: list[ssh.Target], playbook: Write
) -> None:
    lost = ssh.Target("n-3", "nowhere", targets[0].key_file, targets[0].known_hosts)
    with pytest.raises(Unreachable, match="No route to host") as caught:
        run_playbook(playbook(_ECHO), [*targets, lost], {"word": "x"}, {}, tmp_path / "ansible", silent)
    assert caught.value.where.startswith("n-3")


def test_a_playbook_that_is_not_yaml_fails_with_ansibles_own_words(
    tmp_path: Path, targets: list[ssh.Target], playbook: Write
) -> None:
    with pytest.raises(EngineFailed, match="could not run") as caught:
        run_playbook(playbook("    - {"), targets, {}, {}, tmp_path / "ansible", silent)
    assert "ERROR" in caught.value.detail


_DRIVER = """
import json, sys
from pathlib import Path
from du_infra.engines import ssh
from du_infra.engines.ansible import run_playbook
given = json.loads(sys.argv[1])
targets = [ssh.Target(n, "198.18.1.1", Path("id"), Path("known")) for n in ("n-1", "n-2")]
try:
    run_playbook(given["playbook"], targets, {}, {}, Path(given["folder"]), lambda e: print(e.text, flush=True))
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_what_a_killed_run_left_is_ended_and_removed_by_the_next(
    tmp_path: Path, targets: list[ssh.Target], playbook: Write
) -> None:
    tasks = "    - name: Wait\n      ansible.builtin.command: {argv: [sleep, '62.5']}\n"
    folder = tmp_path / "ansible"
    given = json.dumps({"playbook": playbook(tasks), "folder": str(folder)})
    with subprocess.Popen([sys.executable, "-c", _DRIVER, given], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "Wait\n"
        time.sleep(1)
        family = processes.family(str(folder))
        assert len(family) > 2
        process.kill()
    assert [path for path in folder.glob("run-*") if path.is_dir()]
    run_playbook(playbook(_ECHO), targets, {"word": "x"}, {}, folder, silent)
    assert not [pid for pid in family if processes.alive(pid)]
    assert list(folder.glob("run-*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_run_and_leaves_no_process_and_no_folder(
    number: int, tmp_path: Path, targets: list[ssh.Target], playbook: Write
) -> None:
    tasks = "    - name: Wait\n      ansible.builtin.command: {argv: [sleep, '61.5']}\n"
    folder = tmp_path / "ansible"
    given = json.dumps({"playbook": playbook(tasks), "folder": str(folder)})
    started = subprocess.Popen([sys.executable, "-c", _DRIVER, given], stdout=subprocess.PIPE, text=True)
    with started as process:
        assert process.stdout and process.stdout.readline() == "Wait\n"
        time.sleep(1)
        family = processes.family(str(folder))
        assert len(family) > 2
        asked = time.monotonic()
        os.kill(process.pid, number)
        assert process.wait(timeout=20) == 130
    assert time.monotonic() - asked < 8
    assert not [pid for pid in family if processes.alive(pid)]
    assert list(folder.glob("run-*")) == []
