"""The pure parts: gdnsd's files and back, what may be answered, and what is wrong with answers."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.engines.process import surroundings
from du_infra.errors import Refused, SpecError
from du_infra.traffic.answers import answered, parked, shares
from du_infra.traffic.check import fits
from du_infra.traffic.gdnsd import read, render
from du_infra.traffic.gdnsd.setup import Server, Zone
from du_infra.traffic.hetzner import sets as hetzner_sets
from du_infra.traffic.route53 import sets as route53_sets
from du_infra.traffic.state import Capabilities, Endpoint, Record
from du_infra.traffic.verdict import Heard, judge
from du_infra.traffic.where import split
from tests.unit.traffic.gdnsd_bed import FRA, HEL, NAME, NBG, ZONE, need_gdnsd, record

ALL = Capabilities(weights=True, health=False, atomic=True, min_ttl=1)
SERVER = Server("ns1", ("192.0.2.53",), "192.0.2.53")

regions = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True) | st.just("multi")


@st.composite
def records(draw: st.DrawFn) -> Record:
    names = draw(st.lists(regions, min_size=1, max_size=9, unique=True))
    shape = draw(st.sampled_from(["192.0.2.{}", "2001:db8::{}"]))
    ends = {
        name: Endpoint(shape.format(number), draw(st.integers(0, 100)), draw(st.booleans()))
        for number, name in enumerate(names, 1)
    }
    first = names[0]
    ends[first] = replace(ends[first], weight=draw(st.integers(1, 100)))
    return Record(NAME, draw(st.integers(1, 86400)), ends)


@given(records(), st.integers(1, 2**32 - 1), st.integers(1, 10**6))
def test_gdnsds_files_give_the_record_back(wanted: Record, serial: int, revision: int) -> None:
    fits(wanted, ALL, name=NAME, backend="gdnsd", most=64)
    files = render.files(ZONE, SERVER, wanted, serial, revision)
    assert read.record(NAME, files, "ns1") == wanted
    assert read.revision(files) == revision


@given(records())
def test_route_53s_and_hetzners_sets_give_the_record_back(wanted: Record) -> None:
    assert route53_sets.record(NAME, route53_sets.sets(wanted, {"a": "id"})) == wanted
    assert hetzner_sets.record(NAME, *hetzner_sets.rrsets(wanted)) == wanted


@given(records())
def test_no_set_of_route_53_that_is_asked_for_has_a_weight_of_nothing(wanted: Record) -> None:
    own = [one for one in route53_sets.sets(wanted, {}) if one["Name"] == f"{NAME}."]
    assert own and all(one["Weight"] > 0 for one in own)


@given(records(), st.data())
def test_on_hetzner_no_region_is_forgotten_on_the_way_and_the_answer_changes_once(
    was: Record, data: st.DataObject
) -> None:
    changed = {
        name: Endpoint(one.address, data.draw(st.integers(1, 100)), data.draw(st.booleans()))
        for name, one in was.endpoints.items()
        if data.draw(st.booleans()) or name == min(was.endpoints)
    }
    now = replace(was, endpoints=changed)
    (own, away), answers = hetzner_sets.rrsets(was), 0
    for which, new in hetzner_sets.steps(now, own, away):
        own, away = (new, away) if which == "own" else (own, new)
        answers += which == "own"
        between = hetzner_sets.record(NAME, own, away)
        assert between and set(between.endpoints) >= set(now.endpoints)
    assert answers <= 1
    assert (own, away) == hetzner_sets.rrsets(now)


@given(records())
def test_somebody_is_always_answered_and_shares_add_up(wanted: Record) -> None:
    given_out = answered(wanted)
    assert given_out and all(one.weight for one in given_out.values())
    assert set(given_out).isdisjoint(parked(wanted))
    assert sum(shares(wanted).values()) == pytest.approx(1)


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_a_quoted_text_is_one_line_of_ascii_without_a_bare_quote(text: str) -> None:
    inner = render.quoted(text)[1:-1]
    assert inner.isascii() and inner.isprintable() and '"' not in inner
    assert "\\" not in inner.replace("\\034", "").replace("\\092", "") or any(c < " " or c > "~" for c in text)


def test_gdnsd_takes_what_is_rendered_whatever_its_folder_is_called(tmp_path: Path) -> None:
    need_gdnsd()
    folder = tmp_path / 'a "strange" {folder} \\ é;#'
    server = Server("ns1", ("127.0.0.1:15399", "[::1]:15399"), "127.0.0.1:15399", folder, tmp_path, tmp_path)
    wanted = record(25, 75)
    ends = {**wanted.endpoints, "multi": Endpoint("192.0.2.8", 3)}
    for name, text in render.files(ZONE, server, replace(wanted, endpoints=ends), 7, 1).items():
        path = render.folder_of(server, 7) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    check = ["gdnsd", "-c", str(render.folder_of(server, 7)), "checkconf"]
    done = subprocess.run(check, capture_output=True, text=True, env=surroundings(), check=False)
    assert done.returncode == 0, done.stderr


def test_more_regions_than_gdnsd_chooses_from_are_refused() -> None:
    many = Record(NAME, 30, {f"r{n}": Endpoint(f"192.0.2.{n}", 1) for n in range(1, 66)})
    with pytest.raises(Refused, match="at most 64"):
        fits(many, ALL, name=NAME, backend="gdnsd", most=64)


@pytest.mark.parametrize("where", ["", "192.0.2.1:0", "192.0.2.1:x", "192.0.2.1:99999", "[2001:db8::1]:-1"])
def test_where_no_server_can_be(where: str) -> None:
    with pytest.raises(SpecError):
        split(where)


def test_where_a_server_is() -> None:
    assert split("192.0.2.1") == ("192.0.2.1", 53)
    assert split("192.0.2.1:5353") == ("192.0.2.1", 5353)
    assert split("2001:db8::1") == ("2001:db8::1", 53)
    assert split("[2001:db8::1]:5353") == ("2001:db8::1", 5353)
    assert split("ns1.example.com") == ("ns1.example.com", 53)


def test_a_zone_that_cannot_be_is_refused() -> None:
    with pytest.raises(SpecError, match="not in the zone"):
        Zone("gtm.example.com", "www.example.com", {"ns1": "192.0.2.1"})
    with pytest.raises(SpecError, match="no name server can be"):
        Zone("gtm.example.com", "ns1.gtm.example.com", {"ns1": "192.0.2.1"})
    with pytest.raises(SpecError, match="needs a name server"):
        Zone("gtm.example.com", NAME, {})
    assert Zone("gtm.example.com", "gtm.example.com", {"ns1": "192.0.2.1"}).label == "@"


def heard(addresses: dict[str, int], serial: int = 7, ttls: tuple[int, ...] = (30,), trouble: str = "") -> Heard:
    return Heard("ns1", addresses, set(ttls), sum(addresses.values()), serial, trouble)


def complaints(*said: Heard, of: Record | None = None, weighted: bool = True) -> list[tuple[str, ...]]:
    return [one.words for one in judge(of or record(25, 75), said, weighted=weighted)]


def test_answers_by_the_weights_are_right() -> None:
    assert complaints(heard({FRA: 13, NBG: 37})) == [()]
    assert complaints(heard({NBG: 50}, serial=7), of=record(1, 99)) == [()]  # a share of 1 % may not show itself


def test_what_is_wrong_is_said_in_words() -> None:
    assert complaints(heard({FRA: 25, NBG: 75}), heard({FRA: 25, NBG: 75}, serial=6))[1] == (
        "is behind: it has serial 6, another server 7",
    )
    assert complaints(heard({FRA: 50}))[0] == (
        "gives out fra in 50 of 50 answers; its share is 25%",
        "gives out nbg in 0 of 50 answers; its share is 75%",
    )
    assert "gives out hel (192.0.2.3), which is drained" in complaints(heard({FRA: 13, NBG: 36, HEL: 1}))[0]
    assert (
        "gives out fra (192.0.2.1), which is down"
        in complaints(heard({FRA: 1, NBG: 49}), of=record(25, 75, down="fra"))[0]
    )
    assert "gives out 203.0.113.9, which is no region of this name" in complaints(heard({"203.0.113.9": 50}))[0]
    assert "gives a TTL of 15 s, not 30" in complaints(heard({FRA: 13, NBG: 37}, ttls=(15, 30)))[0]
    assert complaints(heard({}, trouble="does not answer")) == [("does not answer",)]


def test_without_weights_every_region_must_show_itself() -> None:
    equal = record(50, 50)
    assert complaints(heard({FRA: 50, NBG: 50}), of=equal, weighted=False) == [()]
    assert complaints(heard({FRA: 50}), of=equal, weighted=False) == [("never gives out nbg",)]


@given(records(), st.integers(1, 400), st.integers(0, 2**32))
def test_a_server_that_goes_by_the_weights_is_not_blamed(wanted: Record, times: int, seed: int) -> None:
    """One draw of a million is blamed; a fixed number of draws by hypothesis is not that many."""
    names, weights = zip(*((name, one.weight) for name, one in answered(wanted).items()), strict=True)
    drawn = Counter(wanted.endpoints[name].address for name in Random(seed).choices(names, weights, k=times))
    assert judge(wanted, [Heard("ns1", drawn, {wanted.ttl}, times)], weighted=True)[0].ok
