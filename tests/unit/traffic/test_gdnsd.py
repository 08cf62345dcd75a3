"""gdnsd itself, on loopback: it answers what the record says, through every change and every mishap."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from du_infra.errors import Busy, EngineFailed, Refused
from du_infra.traffic.gdnsd import reach
from tests.unit.traffic.gdnsd_bed import FRA, HEL, NBG, Daemon, backend, record, soon, words


def test_weights_are_kept_within_what_chance_allows(daemon: Daemon) -> None:
    counted = daemon.ask(2000)
    print(f"\n25/75: {counted[FRA] / 20:.2f} %")
    assert set(counted) == {FRA, NBG}
    assert abs(counted[FRA] / 2000 - 0.25) < 0.05  # five standard deviations are 0.048
    backend(daemon).write(record(5, 95), record(25, 75))
    counted = daemon.ask(2000)
    print(f"5/95: {counted[FRA] / 20:.2f} %")
    assert abs(counted[FRA] / 2000 - 0.05) < 0.025


def test_what_was_written_is_read(daemon: Daemon) -> None:
    b = backend(daemon)
    assert b.read() == record(25, 75)
    for wanted in (record(1, 100, 50, ttl=7), record(0, 0, 1), record(10, 20, 0, down="nbg hel")):
        b.write(wanted, b.read())
        assert b.read() == wanted
        assert words(daemon) == [()]


def test_a_drained_region_gets_nothing_even_when_all_others_are_down(daemon: Daemon) -> None:
    b = backend(daemon)
    b.write(record(0, 100, 50), record(25, 75))
    assert FRA not in daemon.ask(500)
    b.write(record(0, 100, 50, down="nbg hel"), record(0, 100, 50))
    assert soon(lambda: set(daemon.ask(300)) == {NBG, HEL})  # the last good weights, and no empty answer


@pytest.mark.alone
def test_a_region_that_is_down_is_out_of_the_answers_as_soon_as_that_is_written(daemon: Daemon) -> None:
    backend(daemon).write(record(25, 75, down="nbg"), record(25, 75))
    start = time.monotonic()
    while NBG in daemon.ask(20):
        assert time.monotonic() - start < 1
    print(f"\nout of the answers after {time.monotonic() - start:.2f} s")
    assert set(daemon.ask(200)) == {FRA}
    backend(daemon).write(record(25, 75), record(25, 75, down="nbg"))
    assert soon(lambda: words(daemon) == [()]), words(daemon)


def test_who_is_up_gets_through_where_gdnsd_cannot_be_replaced(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "gdnsdctl"
    script.write_text('#!/bin/sh\ncase " $* " in *" replace "*) exit 1;; esac\nexec /usr/bin/gdnsdctl "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    pid = daemon.pid()
    backend(daemon).write(record(25, 75, down="nbg"), record(25, 75))
    assert soon(lambda: set(daemon.ask(100)) == {FRA})
    assert daemon.pid() == pid


def test_replacing_gdnsd_under_load_loses_no_answer(daemon: Daemon) -> None:
    stop, lost, counted = threading.Event(), [], Counter[str]()

    def load() -> None:
        while not stop.is_set():
            try:
                counted.update(daemon.ask(tries=1))
            except Exception as error:
                lost.append(error)

    threads = [threading.Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    b, took = backend(daemon), []
    for weight in (50, 75, 100, 25):
        start = time.monotonic()
        b.write(record(weight, 100), b.read())
        took.append(time.monotonic() - start)
    stop.set()
    for thread in threads:
        thread.join()
    print(f"\n{counted.total()} answers, {len(lost)} lost; changes took {[f'{one:.2f}' for one in took]} s")
    assert not lost
    assert set(counted) == {FRA, NBG}


def test_nobody_gets_a_mixture_of_old_weights_and_new_health(daemon: Daemon) -> None:
    """fra is given out before, hel after; that nbg is down is true only in the new record."""
    backend(daemon).write(record(25, 75), record(25, 75))
    stop, seen = threading.Event(), list[str]()

    def look() -> None:
        while not stop.is_set():
            seen.extend(daemon.ask())

    thread = threading.Thread(target=look)
    thread.start()
    backend(daemon).write(record(0, 75, 100, down="nbg"), record(25, 75))
    time.sleep(0.2)
    stop.set()
    thread.join()
    assert HEL not in seen[: seen.index(HEL)] and set(seen[seen.index(HEL) :]) == {HEL}


def test_a_configuration_that_gdnsd_does_not_take_leaves_the_old_one_serving(daemon: Daemon) -> None:
    found = reach.read(daemon.server)
    files = dict(found.records[found.current or 0])
    with pytest.raises(EngineFailed) as error:
        reach.change(daemon.server, (found.current or 0) + 1, {**files, "config": "plugins => {"}, found.token)
    assert "does not take" in error.value.what and "config" in error.value.detail
    assert reach.read(daemon.server) == found
    assert words(daemon, of=record(25, 75)) == [()]


def test_who_is_up_outlives_a_restart(daemon: Daemon) -> None:
    backend(daemon).write(record(25, 75, down="nbg"), record(25, 75))
    daemon.stop(signal.SIGKILL)
    daemon.start()
    assert set(daemon.ask(200)) == {FRA}  # from the first answer on


def test_without_its_states_gdnsd_gives_out_by_weight_and_the_next_write_heals_it(daemon: Daemon) -> None:
    backend(daemon).write(record(25, 75, down="nbg"), record(25, 75))
    (daemon.server.folder / "current" / "states").unlink()
    daemon.stop()
    daemon.start()
    assert set(daemon.ask(300)) == {FRA, NBG}
    b = backend(daemon)
    assert b.read() == record(25, 75)  # what is served
    b.write(record(25, 75, down="nbg"), record(25, 75))
    assert soon(lambda: set(daemon.ask(100)) == {FRA})


def test_of_two_writers_at_once_one_is_told_so(daemon: Daemon) -> None:
    slow = backend(daemon)
    standing = slow._standings()
    backend(daemon).write(record(30, 70), record(25, 75))
    slow._standings = lambda: standing  # type: ignore[method-assign]
    with pytest.raises(Busy):
        slow.write(record(40, 60), record(25, 75))
    assert backend(daemon).read() == record(30, 70)
    with pytest.raises(Busy):
        backend(daemon).write(record(40, 60), record(25, 75))


WRITER = """
import pickle, sys
from du_infra.engines import ssh
from du_infra.engines.ssh import Result, Target
from du_infra.errors import Busy
from tests.unit.traffic.gdnsd_bed import Daemon, backend, record
daemon = object.__new__(Daemon)
daemon.server = pickle.loads(bytes.fromhex(sys.argv[1]))
try: backend(daemon).write(record(int(sys.argv[2]), 100), record(25, 75)); print("written", flush=True)
except Busy: print("busy", flush=True)
"""


def start_writer(daemon: Daemon, weight: int, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", WRITER, pickle.dumps(daemon.server).hex(), str(weight)]
    return subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
        cwd=Path.cwd(),
        start_new_session=True,
    )


def test_two_processes_that_write_at_once_end_with_one_of_both(daemon: Daemon) -> None:
    writers = [start_writer(daemon, weight) for weight in (11, 22, 33)]
    said = [writer.communicate()[0].strip() for writer in writers]
    assert sorted(said) == ["busy", "busy", "written"]
    assert backend(daemon).read() == record((11, 22, 33)[said.index("written")], 100)
    assert words(daemon) == [()]


def stopped_at(step: str, daemon: Daemon, folder: Path) -> subprocess.Popen[str]:
    """A writer of 50 that stands for ever at one step of gdnsd's programs."""
    tools, at = folder / "tools", folder / "reached"
    tools.mkdir()
    for name, real in (("gdnsd", "/usr/sbin/gdnsd"), ("gdnsdctl", "/usr/bin/gdnsdctl")):
        script = f'#!/bin/sh\ncase " $* " in *" {step} "*) touch {at}; exec sleep 600;; esac\nexec {real} "$@"\n'
        (tools / name).write_text(script)
        (tools / name).chmod(0o755)
    writer = start_writer(daemon, 50, {"PATH": f"{tools}:{os.environ['PATH']}"})
    deadline = time.monotonic() + 30
    while not at.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return writer


def test_who_looked_in_the_middle_of_a_change_does_not_undo_it_unseen(daemon: Daemon, tmp_path: Path) -> None:
    """Then gdnsd answers with what was, and the files are what will be."""
    writer = stopped_at("replace", daemon, tmp_path)
    slow = backend(daemon)
    standing = slow._standings()
    os.killpg(writer.pid, signal.SIGKILL)
    writer.wait()
    slow._standings = lambda: standing  # type: ignore[method-assign]
    with pytest.raises(Busy):
        slow.write(record(40, 60), record(25, 75))
    backend(daemon).write(record(40, 60), record(25, 75))
    assert words(daemon) == [()]


@pytest.mark.parametrize("step", ["checkconf", "status", "replace"])
def test_killed_between_the_steps_the_old_record_is_served_and_the_same_write_goes_on(
    daemon: Daemon, tmp_path: Path, step: str
) -> None:
    """gdnsd's programs are stopped for ever at one step, and the writer is killed there."""
    writer = stopped_at(step, daemon, tmp_path)
    os.killpg(writer.pid, signal.SIGKILL)
    writer.wait()
    assert backend(daemon).read() == record(25, 75)
    assert words(daemon) == [()]
    backend(daemon).write(record(50, 100), record(25, 75))
    assert backend(daemon).read() == record(50, 100)
    assert words(daemon) == [()]
    daemon.stop()
    daemon.start()
    assert words(daemon, of=record(50, 100)) == [()]


def test_states_that_go_away_while_gdnsd_runs_change_nothing_and_are_written_again(daemon: Daemon) -> None:
    backend(daemon).write(record(25, 75, down="nbg"), record(25, 75))
    states = daemon.server.folder / "current" / "states"
    assert soon(lambda: set(daemon.ask(100)) == {FRA})
    states.unlink()
    time.sleep(3)
    assert set(daemon.ask(100)) == {FRA}
    backend(daemon).write(record(25, 75), record(25, 75))  # what read says by now
    assert states.is_file()
    assert soon(lambda: words(daemon) == [()]), words(daemon)


def test_a_configuration_that_somebody_else_wrote_is_left_alone(daemon: Daemon) -> None:
    config = daemon.server.folder / "current" / "config"
    ours = config.read_text()
    config.write_text("options => {}\n")
    with pytest.raises(Refused, match="not one that du-infra wrote"):
        backend(daemon).read()
    config.write_text(ours)  # where its control socket is


def test_somebody_elses_answers_are_named(daemon: Daemon) -> None:
    other = record(25, 75)
    ends = {**other.endpoints, "fra": replace(other.endpoints["fra"], address="192.0.2.9")}
    said = " ".join(words(daemon, of=replace(other, endpoints=ends, ttl=60))[0])
    assert f"gives out {FRA}, which is no region of this name" in said
    assert "gives a TTL of 30 s, not 60" in said
    assert "gives out fra in 0 of 300 answers; its share is 25%" in said
