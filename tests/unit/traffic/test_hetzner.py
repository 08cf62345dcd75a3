"""Hetzner's DNS, on a fake of its API: what is asked of it, and what happens when it stops half-way."""

from __future__ import annotations

import pytest

from du_infra.errors import EngineFailed, Refused, Unreachable
from du_infra.traffic.hetzner.backend import Hetzner
from tests.unit.traffic.gdnsd_bed import FRA, NAME, NBG, ZONE, record
from tests.unit.traffic.hetzner_fake import TOKEN, Fake

BOTH = record(100, 100, 0, ttl=60)
ONE = record(100, 100, 0, down="nbg", ttl=60)


def answers(fake: Fake) -> set[str]:
    return {one["value"] for one in fake.rrsets[("www", "A")]["records"]}


def test_who_asks_gets_every_region_that_is_in(hetzner: Hetzner, fake: Fake) -> None:
    hetzner.write(BOTH, None)
    assert answers(fake) == {FRA, NBG}
    hetzner.write(ONE, BOTH)
    assert answers(fake) == {FRA}
    hetzner.write(record(100, 100, 0, down="fra nbg", ttl=60), ONE)
    assert answers(fake) == {FRA, NBG}  # all down: the last good ones


@pytest.mark.parametrize("changes", [0, 1, 2])
def test_stopped_half_way_the_answer_is_old_or_new_and_the_same_write_goes_on(
    hetzner: Hetzner, fake: Fake, changes: int
) -> None:
    hetzner.write(BOTH, None)
    fake.fail_after = changes
    try:
        hetzner.write(ONE, BOTH)
    except EngineFailed as error:
        assert "Hetzner said no" in error.what
    fake.fail_after = None
    found = hetzner.read()
    assert found in (BOTH, ONE)
    assert answers(fake) == ({FRA, NBG} if found == BOTH else {FRA})
    hetzner.write(ONE, found)
    assert hetzner.read() == ONE


def test_nothing_is_asked_for_nothing(hetzner: Hetzner, fake: Fake) -> None:
    hetzner.write(BOTH, None)
    fake.calls.clear()
    hetzner.write(BOTH, BOTH)
    assert all(call.startswith("GET") for call in fake.calls)


def test_addresses_of_somebody_else_are_left_alone(hetzner: Hetzner, fake: Fake) -> None:
    rrset = {"name": "www", "type": "A", "ttl": 60, "records": [{"value": FRA, "comment": "mine"}]}
    fake.answer("POST", f"/zones/{ZONE.zone}/rrsets", {}, rrset)
    for attempt in (hetzner.read, lambda: hetzner.write(BOTH, None)):
        with pytest.raises(Refused, match=f"did not set: {FRA}"):
            attempt()


def test_what_the_api_refuses_is_said_without_the_token(fake: Fake) -> None:
    with pytest.raises(EngineFailed, match="refuses us") as error:
        Hetzner(ZONE.zone, NAME, "wrong-token", endpoint=fake.endpoint).read()
    assert "wrong-token" not in f"{error.value} {error.value.detail}"
    with pytest.raises(EngineFailed, match="no such zone"):
        Hetzner("other.example.com", "www.other.example.com", TOKEN, endpoint=fake.endpoint).read()
    with pytest.raises(Unreachable):
        Hetzner(ZONE.zone, NAME, TOKEN, endpoint="http://127.0.0.1:9").read()
