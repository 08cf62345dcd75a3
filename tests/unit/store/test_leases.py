"""A lease has one holder, a crash frees it at once, and silence frees it after a while."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from du_infra.errors import Busy
from du_infra.store import owner as owners
from du_infra.store.database import Store
from du_infra.store.leases import Leases
from du_infra.store.tables import leases as table
from tests.shared_store import Opener

NAME = "home/hello"
HOLD = """
import time
with opened().leases.held("home/hello", "release v2"):
    print("held", flush=True)
    time.sleep(60)
"""
RACE = """
import time
from du_infra.errors import Busy
store = opened()
log = folder / "log"
won = 0
while won < 15:
    try:
        with store.leases.held("home/hello", "race"):
            won += 1
            with log.open("a") as file: file.write("in\\n"); file.flush()
            time.sleep(0.002)
            with log.open("a") as file: file.write("out\\n"); file.flush()
    except Busy:
        time.sleep(0.001)
print(won)
"""


def process(script: str, opened: Opener) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", opened.code + script], stdout=subprocess.PIPE, text=True)


def quick(store: Store) -> Leases:
    """With a beat of 50 ms, so that a test can wait for several."""
    return Leases(store._gate, shared=store.shared, beat=0.05, dead=0.2)


def rewrite(store: Store, **fields: object) -> None:
    if "owner" in fields:
        fields["token"] = "of another"
    with store._gate.begin() as connection:
        connection.execute(update(table).values(**fields))


def test_the_second_is_told_who_holds_it_since_when_and_for_what(store: Store) -> None:
    with (
        store.leases.held(NAME, "release of hello v2"),
        pytest.raises(Busy, match=rf"process {os.getpid()}.*since .*release of hello v2") as caught,
        store.leases.held(NAME, "another"),
    ):
        pass
    assert caught.value.where == NAME
    assert "release abort" in caught.value.todo


def test_a_lease_that_was_given_back_is_free(store: Store) -> None:
    with store.leases.held(NAME, "one"):
        assert store.leases.holder(NAME) is not None
    assert store.leases.holder(NAME) is None
    with store.leases.held(NAME, "two"):
        pass


def test_two_names_do_not_meet(store: Store) -> None:
    with store.leases.held(NAME, "one"), store.leases.held("home/shop", "two"):
        pass


def test_a_killed_holder_frees_it_at_once(store: Store, opened: Opener) -> None:
    holder = process(HOLD, opened)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(Busy, match=f"process {holder.pid}"), store.leases.held(NAME, "too early"):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    began = time.monotonic()
    with store.leases.held(NAME, "after it"):
        assert time.monotonic() - began < 1


def test_two_processes_that_race_are_never_in_at_once(opened: Opener) -> None:
    racers = [process(RACE, opened) for _ in range(2)]
    won = [int(racer.communicate(timeout=60)[0]) for racer in racers]
    lines = (opened.folder / "log").read_text().split()
    assert lines == ["in", "out"] * sum(won)
    assert won == [15, 15]


def test_of_many_that_take_over_from_a_dead_holder_one_wins(store: Store) -> None:
    with store.leases.held(NAME, "x"):
        rewrite(store, owner=str(owners.Owner("ann", "desk", "gone", "1", 1, "1")), beat=0.0)
    leases, wins, gate = quick(store), [], threading.Barrier(6)

    def race() -> None:
        gate.wait()
        try:
            with leases.held(NAME, "take over"):
                wins.append(1)
                time.sleep(0.5)
        except Busy:
            pass

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wins == [1]


def test_a_holder_elsewhere_that_signs_is_left_alone_however_wrong_its_clock(store: Store) -> None:
    patient = Leases(store._gate, shared=store.shared, beat=10, dead=0.2)  # a busy machine may sign late
    with quick(store).held(NAME, "x"):
        rewrite(store, owner=str(owners.Owner("ann", "elsewhere", "b", "1", 1, "1")), beat=0.0)
        over = threading.Event()

        def sign() -> None:
            clock = 5.0
            while not over.wait(0.02):
                clock += 1
                rewrite(store, beat=clock)

        signer = threading.Thread(target=sign)
        signer.start()
        try:
            with pytest.raises(Busy, match="ann@elsewhere"), patient.held(NAME, "too early"):
                pass
        finally:
            over.set()
            signer.join()


def test_a_holder_elsewhere_that_is_silent_for_long_has_lost_it(store: Store) -> None:
    leases = quick(store)
    with leases.held(NAME, "x"):
        rewrite(store, owner=str(owners.Owner("ann", "elsewhere", "b", "1", 1, "1")), beat=time.time() - 60)
        with leases.held(NAME, "after it"):
            pass


def test_a_holder_that_was_overtaken_notices(store: Store) -> None:
    with quick(store).held(NAME, "x") as lease:
        lease.check()
        rewrite(store, owner=str(owners.Owner("ann", "elsewhere", "b", "1", 1, "1")))
        assert lease._lost.wait(60)
        with pytest.raises(Busy, match="took over"):
            lease.check()


def test_a_lease_outlives_many_beats(store: Store) -> None:
    leases = quick(store)
    with leases.held(NAME, "x") as lease:
        time.sleep(0.6)
        lease.check()
        with pytest.raises(Busy), leases.held(NAME, "y"):
            pass


def test_how_the_work_went_counts_though_the_lease_cannot_be_given_back(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OperationalError("DELETE FROM leases", {}, Exception("database is locked"))

    with store.leases.held(NAME, "it goes well"):
        monkeypatch.setattr(store._gate, "begin", full)
    monkeypatch.undo()
    rewrite(store, owner=str(owners.Owner("ann", "desk", "gone", "1", 1, "1")), beat=0.0)
    with pytest.raises(ValueError, match="why"), quick(store).held(NAME, "it does not"):
        monkeypatch.setattr(store._gate, "begin", full)
        raise ValueError("this is why")


@pytest.mark.parametrize(("answer", "vanished"), [(None, False), (PermissionError, False), (ProcessLookupError, True)])
def test_where_proc_does_not_show_a_process_the_kernel_is_asked(
    answer: type[OSError] | None, vanished: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, read, asked = owners.this_process(), owners._read, list[tuple[int, int]]()

    def kill(pid: int, number: int) -> None:
        asked.append((pid, number))
        if answer:
            raise answer

    monkeypatch.setattr(owners, "_read", lambda path: "" if path.endswith("/stat") else read(path))
    monkeypatch.setattr(owners.os, "kill", kill)
    assert (me.vanished, me.gone) == (vanished, vanished)
    assert asked == [(me.pid, 0)] * 2


def test_one_that_has_ended_and_only_waits_to_be_noticed_has_vanished() -> None:
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        me = owners.this_process()
        assert owners.Owner(me.user, me.host, me.boot, me.space, ended.pid, "1").vanished


def test_a_process_id_that_is_used_again_is_not_the_holder() -> None:
    me = owners.this_process()
    assert owners.parse(str(me)) == me
    assert not me.gone
    again = owners.Owner(me.user, me.host, me.boot, me.space, me.pid, "1")
    assert again.gone


def test_before_a_reboot_is_gone_and_another_machine_is_not_for_us_to_say() -> None:
    me = owners.this_process()
    assert owners.Owner(me.user, me.host, "earlier", me.space, me.pid, me.start).gone
    assert not owners.Owner(me.user, "elsewhere", "earlier", me.space, 1, "1").gone
    assert not owners.Owner(me.user, me.host, me.boot, "another", 1, "1").gone


def test_among_several_machines_a_namesake_of_another_boot_is_not_gone() -> None:
    me = owners.this_process()
    assert not owners.Owner(me.user, me.host, "another", me.space, me.pid, me.start).vanished
    assert owners.Owner(me.user, "elsewhere", me.boot, me.space, me.pid, "1").vanished
    assert not me.vanished
