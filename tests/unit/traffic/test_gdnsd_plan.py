"""What several gdnsd are brought to, whatever each of them missed or was cut off in."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from du_infra.traffic.gdnsd.plan import Standing, Step, steps, told
from du_infra.traffic.gdnsd.reach import Found
from du_infra.traffic.gdnsd.render import STATES
from du_infra.traffic.gdnsd.setup import Server
from du_infra.traffic.state import Record
from tests.unit.traffic.gdnsd_bed import ZONE, record

SERVERS = [Server(f"ns{n}", (f"192.0.2.{50 + n}",), f"192.0.2.{50 + n}") for n in (1, 2, 3)]
FATES = ("done", "missed", "left before the link", "left after it", "gdnsd is down")

wanted_records = st.builds(
    record,
    st.integers(1, 3),
    st.integers(0, 3),
    st.integers(0, 1),
    down=st.sampled_from(["", "fra", "nbg", "fra nbg"]),
    ttl=st.sampled_from([30, 60]),
)


def fresh() -> list[Standing]:
    return [Standing(server, Found(None, {}, ""), None) for server in SERVERS]


def carried_out(step: Step, fate: str) -> Standing:
    """The server after one step of which this became."""
    one = step.standing
    if fate == "missed":
        return one
    if step.serial == one.found.current:
        states = {**one.found.records[step.serial], STATES: step.files[STATES]}
        found = replace(one.found, records={**one.found.records, step.serial: states})
        served = step.serial if step.replace and one.served is not None else one.served
        return replace(one, found=found, served=served)
    found = replace(one.found, records={**one.found.records, step.serial: step.files})
    if fate == "left before the link":
        return replace(one, found=found)
    found = replace(found, current=step.serial)
    if fate == "left after it":
        return replace(one, found=found)
    return replace(one, found=found, served=None if fate == "gdnsd is down" else step.serial)


def write(standings: list[Standing], wanted: Record, now: int, fates: list[str]) -> list[Standing]:
    todo = {step.standing.server.name: step for step in steps(ZONE, standings, wanted, now)}
    by_name = zip(standings, fates, strict=True)
    return [carried_out(todo[one.server.name], fate) if one.server.name in todo else one for one, fate in by_name]


DONE = ["done"] * len(SERVERS)


@given(
    st.lists(st.tuples(wanted_records, st.lists(st.sampled_from(FATES), min_size=3, max_size=3)), max_size=8),
    wanted_records,
)
def test_whatever_happened_before_one_write_brings_all_to_the_record_and_then_nothing_is_left(
    past: list[tuple[Record, list[str]]], wanted: Record
) -> None:
    standings = fresh()
    for now, (before, became) in enumerate(past, 100):
        standings = write(standings, before, now, became)
    standings = write(standings, wanted, 90, DONE)  # by a clock that is behind
    assert told(ZONE, standings) == wanted
    assert [told(ZONE, [one]) for one in standings] == [wanted] * len(SERVERS)
    assert len({one.served for one in standings} - {None}) <= 1
    assert steps(ZONE, standings, wanted, 91) == []


@given(wanted_records, wanted_records)
def test_who_is_up_alone_is_one_file_and_the_serial_stays(first: Record, second: Record) -> None:
    standings = write(fresh(), first, 100, DONE)
    ups = {name: replace(one, up=second.endpoints[name].up) for name, one in first.endpoints.items()}
    for step in steps(ZONE, standings, replace(first, endpoints=ups), 101):
        assert step.serial == 100 and not step.replace


@given(wanted_records, wanted_records)
def test_the_newest_of_several_says_what_was_told_in_whatever_order(first: Record, second: Record) -> None:
    standings = write(fresh(), first, 100, DONE)
    standings = write(standings, second, 101, ["done", "missed", "missed"])
    assert told(ZONE, standings) == told(ZONE, standings[::-1]) == second


def test_another_address_to_listen_on_is_a_new_configuration() -> None:
    standings = write(fresh(), record(1, 1), 100, DONE)
    moved = replace(SERVERS[0], listen=("192.0.2.99",))
    standings[0] = replace(standings[0], server=moved)
    assert [step.serial for step in steps(ZONE, standings, record(1, 1), 200)] == [200, 200, 200]
