"""One run of a playbook through ansible-runner, in a folder of its own that is gone afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from du_infra.assets import asset
from du_infra.engines import ssh
from du_infra.engines.ansible import inventory, processes
from du_infra.engines.ansible.events import HostStats, Watcher, plain
from du_infra.errors import DuError, EngineFailed, ToolMissing
from du_infra.progress import Reporter

_LOG = "last.log"
_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Outcome:
    """What a successful run did: changed tasks over all hosts, each host's count, and wall seconds."""

    changed: int
    hosts: dict[str, HostStats] = field(default_factory=dict)
    seconds: float = 0.0


def run_playbook(
    playbook: str,
    targets: Sequence[ssh.Target],
    variables: Mapping[str, object],
    host_variables: Mapping[str, Mapping[str, object]],
    folder: Path,
    report: Reporter,
) -> Outcome:
    """Run ``playbooks/<playbook>`` on ``targets``; ``folder`` (0700) is the region's place for Ansible.

    The caller holds the region's lock: what another run left in ``folder`` is ended and removed.
    Variables may be secret: they go into a 0600 file, never onto a command line, and are removed with the
    run's folder. Ansible's output of the last run stays in ``folder/last.log`` (0600).

    Raises EngineFailed (host, task and the module's own message), Unreachable or Refused (SSH),
    ToolMissing when ansible-playbook is not installed.
    """
    started = time.monotonic()
    watcher = Watcher(report)
    with _run_folder(folder) as private:
        hosts = private / "inventory" / "hosts.yml"
        inventory.write(hosts, inventory.inventory(targets, variables, host_variables))
        runner = _prepare(asset("playbooks") / playbook, private, watcher, forks=len(targets))
        _execute(runner, targets)
        words = _keep_log(private, folder)
    if runner.status != "successful":
        raise _failure(watcher, targets, playbook, folder / _LOG, words)
    stats = {target.name: watcher.stats.get(target.name, HostStats()) for target in targets}
    return Outcome(sum(one.changed for one in stats.values()), stats, time.monotonic() - started)


@contextmanager
def _run_folder(folder: Path) -> Iterator[Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for left in folder.absolute().glob("run-*"):
        # Of a run that was killed: its Ansible may still be at its last task, and its variables are in there.
        processes.end(processes.family(str(left)))
        shutil.rmtree(left, ignore_errors=True)
    private = Path(tempfile.mkdtemp(prefix="run-", dir=folder.absolute()))
    try:
        yield private
    finally:
        shutil.rmtree(private, ignore_errors=True)


def _prepare(playbook: Path, private: Path, watcher: Watcher, forks: int) -> Any:
    from ansible_runner.interface import init_runner

    environment = _environment(playbook, private, forks)
    runner = init_runner(
        private_data_dir=str(private),
        playbook=str(playbook),
        project_dir=str(playbook.parent),
        inventory=str(private / "inventory" / "hosts.yml"),
        envvars=environment,
        settings={"pexpect_timeout": _POLL_SECONDS, "suppress_env_files": True},
        event_handler=watcher,
        cancel_callback=_never,
        quiet=True,
    )
    # A user's own ANSIBLE_* variables must not bend our run; ansible-runner took them all over.
    kept = {*environment, *_RUNNERS_OWN}
    runner.config.env = {
        name: value for name, value in runner.config.env.items() if name in kept or not name.startswith("ANSIBLE_")
    }
    return runner


_RUNNERS_OWN = (
    "ANSIBLE_STDOUT_CALLBACK",
    "ANSIBLE_CALLBACK_PLUGINS",
    "ANSIBLE_RETRY_FILES_ENABLED",
    "ANSIBLE_CACHE_PLUGIN",
    "ANSIBLE_CACHE_PLUGIN_CONNECTION",
)


def _never() -> bool:
    return False


def _environment(playbook: Path, private: Path, forks: int) -> dict[str, str]:
    programs = _programs()
    return {
        "PATH": f"{programs}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "ANSIBLE_CONFIG": str(playbook.parent / "ansible.cfg"),
        "ANSIBLE_FORKS": str(max(1, forks)),
        "ANSIBLE_HOME": str(private / "home"),
        "ANSIBLE_LOCAL_TEMP": str(private / "tmp"),
        "ANSIBLE_HOST_KEY_CHECKING": "True",
        "ANSIBLE_NOCOLOR": "1",
        # Without a UTF-8 locale Ansible refuses to start.
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def _programs() -> Path:
    """The folder of ansible-playbook: beside this Python (a virtual environment, pipx), or from PATH."""
    beside = Path(sys.executable).parent
    if (beside / "ansible-playbook").exists():
        return beside
    found = shutil.which("ansible-playbook")
    if found:
        return Path(found).parent
    raise ToolMissing(
        "ansible-playbook is not installed",
        where=str(beside),
        todo="reinstall du-infra: it brings ansible-core with it",
    )


def _execute(runner: Any, targets: Sequence[ssh.Target]) -> None:
    """Run to the end, or, on Ctrl-C or SIGTERM, leave nothing behind: no Ansible, no worker, no ssh."""
    marker = runner.config.private_data_dir
    with _interrupts() as interrupted:

        def stop_when_asked() -> bool:
            if interrupted.is_set():
                _stop(marker, targets)
            return interrupted.is_set()

        runner.cancel_callback = stop_when_asked
        try:
            runner.run()
        except BaseException:
            _stop(marker, targets)
            raise
    if interrupted.is_set():
        raise KeyboardInterrupt


def _stop(marker: str, targets: Sequence[ssh.Target]) -> None:
    processes.end(processes.family(marker))
    for target in targets:
        ssh.close(target)


@contextmanager
def _interrupts() -> Iterator[threading.Event]:
    """Turn SIGINT and SIGTERM into an event while Ansible runs, because ansible-runner must end its child."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = {number: signal.signal(number, lambda *_: event.set()) for number in numbers}
    try:
        yield event
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _keep_log(private: Path, folder: Path) -> str:
    """Keep what Ansible printed, for a person who looks into a failure; returns the text."""
    written = next(private.glob("artifacts/*/stdout"), None)
    text = plain(written.read_text(encoding="utf-8", errors="replace")) if written else ""
    handle = os.open(folder / _LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return text


def _failure(watcher: Watcher, targets: Sequence[ssh.Target], playbook: str, log: Path, words: str) -> DuError:
    lost = [failure for failure in watcher.failures if failure.unreachable]
    if lost:
        target = next(target for target in targets if target.name == lost[0].host)
        return ssh.failure(target, lost[0].message)
    if not watcher.failures:
        return EngineFailed(
            f"Ansible could not run {playbook}",
            todo=f"Ansible's output is in {log}",
            detail="\n".join(words.strip().splitlines()[-15:]),
        )
    first = watcher.failures[0]
    return EngineFailed(
        f"{first.task}: {first.message.splitlines()[0]}",
        where=first.host,
        todo=f"mend what the message names and run the same command again; Ansible's output is in {log}",
        detail="\n".join(f"{f.host}: {f.task}: {f.message}" for f in watcher.failures),
    )
