"""Several gdnsd of one zone, on loopback: each is brought to the same record, and none holds up the others."""

from __future__ import annotations

import shlex
import subprocess
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from du_infra.engines import ssh
from du_infra.engines.ssh import Result, Target
from du_infra.errors import Busy, EngineFailed, Unreachable
from du_infra.progress import Event
from du_infra.traffic.gdnsd import reach
from du_infra.traffic.gdnsd.backend import Gdnsd
from du_infra.traffic.gdnsd.setup import Server
from tests.unit.traffic.gdnsd_bed import FRA, ZONE, Daemon, backend, record, soon, words


def test_two_servers_are_brought_to_the_same_record(pair: tuple[Daemon, Daemon]) -> None:
    b = backend(*pair)
    b.write(record(40, 60, down="fra"), record(25, 75))
    assert soon(lambda: words(*pair) == [(), ()]), words(*pair)
    assert b.read() == record(40, 60, down="fra")


def test_a_server_that_is_down_holds_up_nobody_is_said_and_is_healed_by_the_next_write(
    pair: tuple[Daemon, Daemon],
) -> None:
    first, second = pair
    second.stop()
    told: list[Event] = []
    b = Gdnsd(ZONE, [first.server, second.server], told.append)
    b.write(record(50, 50), record(25, 75))
    assert any("does not run" in event.text and event.node == "ns2" for event in told)
    assert [len(one) for one in words(first, second)] == [0, 1]
    second.start()
    assert words(first, second) == [(), ()]  # its files were brought


def test_a_server_that_kept_the_old_record_is_behind_and_is_brought_along(pair: tuple[Daemon, Daemon]) -> None:
    first, second = pair
    backend(first).write(record(50, 50), record(25, 75))  # as if the second could not be reached
    behind = words(first, second)
    assert not behind[0]
    assert "is behind" in " ".join(behind[1])
    b = backend(second, first)  # in whatever order they are named
    assert b.read() == record(50, 50)
    b.write(record(50, 50), record(50, 50))
    assert words(first, second) == [(), ()]


def test_health_alone_that_one_server_missed_is_brought_along(pair: tuple[Daemon, Daemon]) -> None:
    first, second = pair
    backend(first).write(record(25, 75, down="nbg"), record(25, 75))
    b = backend(second, first)
    assert b.read() == record(25, 75, down="nbg")
    b.write(record(25, 75, down="nbg"), record(25, 75, down="nbg"))
    assert soon(lambda: set(second.ask(100)) == {FRA})


def test_a_server_out_of_reach_is_a_warning_and_all_of_them_an_error(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, gone = reach.read, replace(daemon.server, name="ns2")

    def read(server: object) -> object:
        if server == gone:
            raise Unreachable("SSH does not get through", where="ns2")
        return real(server)  # type: ignore[arg-type]

    monkeypatch.setattr(reach, "read", read)
    told: list[Event] = []
    Gdnsd(ZONE, [gone, daemon.server], told.append).write(record(50, 50), record(25, 75))
    assert words(daemon, of=record(50, 50)) == [()]
    assert "ns2" in told[0].text and told[0].kind == "warning"
    with pytest.raises(Unreachable):
        Gdnsd(ZONE, [gone], told.append).read()


def test_a_server_that_hangs_is_left_behind_and_hardly_waited_for_the_next_time(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, gone, gate = reach.read, replace(daemon.server, name="ns2"), threading.Event()

    def read(server: object) -> object:
        if server == gone:
            gate.wait(60)
        return real(server)  # type: ignore[arg-type]

    monkeypatch.setattr(reach, "read", read)
    told: list[Event] = []
    b = Gdnsd(ZONE, [gone, daemon.server], told.append)
    assert b.read() == record(25, 75)
    assert told[-1].node == "ns2" and "left behind" in told[-1].text
    monkeypatch.setattr("du_infra.traffic.gdnsd.backend._PATIENCE", 3600.0)
    b.write(record(50, 50), record(25, 75))
    gate.set()
    assert words(daemon, of=record(50, 50)) == [()]


def test_the_first_server_dies_before_its_change_and_the_others_get_it(
    pair: tuple[Daemon, Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = reach.change

    def change(server: Server, *arguments: Any, **more: Any) -> bool:
        if server.name == "ns1":
            raise Unreachable("SSH does not get through", where="ns1")
        return real(server, *arguments, **more)

    monkeypatch.setattr(reach, "change", change)
    b = backend(*pair)
    b.write(record(50, 50), record(25, 75))
    assert b.read() == record(50, 50)
    assert not words(*pair)[1] and words(*pair)[0]


def test_a_sick_server_that_is_first_holds_up_no_change_and_is_told_at_the_end(
    pair: tuple[Daemon, Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seconds = reach.change, []

    def change(server: Server, *arguments: Any, **more: Any) -> bool:
        seconds.append(more.get("seconds", 60))
        if server.name == "ns1":
            raise EngineFailed("could not write gdnsd's files: no space left", where="ns1")
        return real(server, *arguments, **more)

    monkeypatch.setattr(reach, "change", change)
    b = backend(*pair)
    with pytest.raises(EngineFailed, match="no space left"):
        b.write(record(50, 50), record(25, 75))
    assert b.read() == record(50, 50)
    assert not words(*pair)[1] and words(*pair)[0]
    assert seconds[0] <= 20 < seconds[1], "who is followed by others is waited for less"


def test_another_writer_ends_the_change_wherever_he_is_met(
    pair: tuple[Daemon, Daemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(server: Server, *arguments: Any, **more: Any) -> bool:
        raise Busy("somebody else changed the record meanwhile") if server.name == "ns2" else Unreachable("no way")

    monkeypatch.setattr(reach, "change", change)
    with pytest.raises(Busy):
        backend(*pair).write(record(50, 50), record(25, 75))


def test_over_ssh_the_same_program_does_the_same(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell of this machine in place of ssh: the command is put into one line as ssh does it."""

    def run(target: Target, argv: list[str], *, stdin: str, timeout: float) -> Result:
        assert target.name == "ns1"
        line = ["sh", "-c", shlex.join(argv)]
        done = subprocess.run(line, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
        return Result(done.returncode, done.stdout, done.stderr)

    monkeypatch.setattr(ssh, "run", run)
    there = replace(daemon.server, target=Target("ns1", "192.0.2.53", Path("/key"), Path("/hosts")))
    b = Gdnsd(ZONE, [there], [].append)
    b.write(record(50, 50), record(25, 75))
    assert b.read() == record(50, 50)
    assert words(daemon) == [()]
    with pytest.raises(Busy):
        b.write(record(1, 99), record(25, 75))
