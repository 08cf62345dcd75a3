"""fleet.yaml changed by du-infra: just what is meant, whatever the file looks like, and all else as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.errors import Refused
from du_infra.spec import check_spec
from du_infra.spec.edit import beside, edited, handed_over, without
from du_infra.spec.load import check_text

EXAMPLE = Path(__file__).parents[3] / "examples" / "gtm" / "fleet.yaml"
BLOCK = """\
# who we are
fleet: demo

regions:
    home:                # at home
        provider: lxd
        pool:
            nodes: 2

    away:
        provider: lxd
services:
    hello:
        image: registry.local:5000/hello
        tag: "1.10"      # quoted
        port: 8080
traffic:
    zone: example.com
    record: www
    waves:
        - - home
        - - away
    capacity:
        home: 500
"""
ANCHORS = """\
fleet: demo
regions:
  home: &usual
    provider: lxd
    pool: {nodes: 2}
  away: *usual
  afar:
    <<: *usual
traffic: {zone: example.com, record: "@", weights: {home: 70, away: 30}}
"""
FLOW = (
    '{"fleet": "demo", "regions": {"home": {"provider": "lxd"}}, "traffic": {"zone": "a.example", "record": "www"}}\n'
)


def regions(text: str) -> list[str]:
    fleet, complaints = check_text(text)
    assert fleet is not None, complaints
    return list(fleet.regions)


def moved(text: str, old: str) -> list[str]:
    """The three texts of a move."""
    fleet, _ = check_text(text)
    assert fleet is not None
    texts = [edited(text, beside(old, "new", "lxd", dict.fromkeys(fleet.regions, 7)), "fleet.yaml")]
    texts.append(edited(texts[-1], handed_over(old, "new"), "fleet.yaml"))
    texts.append(edited(texts[-1], without(old), "fleet.yaml"))
    return texts


@pytest.mark.parametrize("text", [BLOCK, ANCHORS, FLOW, EXAMPLE.read_text()], ids=["block", "anchors", "flow", "gtm"])
def test_a_region_is_put_beside_another_gets_its_weight_and_takes_its_place(text: str) -> None:
    before = regions(text)
    old = before[0]
    listed, shifted, gone = moved(text, old)
    assert regions(listed) == [old, "new", *before[1:]]
    fleet, _ = check_text(listed)
    assert fleet is not None and fleet.traffic is not None
    assert fleet.regions["new"] == fleet.regions[old]
    assert fleet.traffic.weights == {**dict.fromkeys(before, 7), "new": 0}
    fleet, _ = check_text(shifted)
    assert fleet is not None and fleet.traffic is not None
    assert fleet.traffic.weights == {**dict.fromkeys(before, 7), old: 0, "new": 7}
    assert regions(gone) == ["new", *before[1:]]
    fleet, _ = check_text(gone)
    assert fleet is not None
    assert old not in json.dumps(fleet.model_dump(mode="json")).replace(f'"fleet": "{fleet.fleet}"', "")


def test_lines_that_need_not_change_do_not_and_comments_stay() -> None:
    listed, shifted, gone = moved(BLOCK, "away")
    for text in (listed, shifted, gone):
        assert {"# who we are", "    home:                # at home", '        tag: "1.10"      # quoted'} <= {
            *text.splitlines()
        }
    added = set(listed.splitlines()) - set(BLOCK.splitlines())
    assert {"    new:", "    weights: {home: 7, away: 7, new: 0}"} <= added
    assert {line.strip() for line in added - {"    new:"} if "weights" not in line} <= {"-   -   home", "-   new"} | (
        {"-   -   away"}  # a list in a list may get other blanks
    )


def test_everywhere_where_the_old_one_stands_by_name_the_new_one_does_too() -> None:
    listed, _, gone = moved(EXAMPLE.read_text(), "ams")
    for text, names in ((listed, ["ams", "new"]), (gone, ["new"])):
        fleet, _ = check_text(text)
        assert fleet is not None and fleet.traffic is not None and fleet.traffic.waves is not None
        assert [*fleet.traffic.waves[2]] == names
        assert [*fleet.traffic.gdnsd.regions] == [*names, "fra"]


def test_a_file_that_cannot_be_changed_just_so_is_left_alone_and_a_person_is_told_what_to_write() -> None:
    text = ANCHORS.replace("record:", "waves: [[home, away, afar]], record:")
    with pytest.raises(Refused) as refused:
        edited(text, beside("home", "a name with blanks", "lxd", {"home": 1}), "fleet.yaml")
    assert "a name with blanks" in refused.value.detail
    assert refused.value.todo


@settings(max_examples=15)  # each reads and writes a file two dozen times
@given(
    names=st.lists(st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True), min_size=1, max_size=3, unique=True),
    indent=st.sampled_from([2, 4]),
    weights=st.booleans(),
    blank=st.sampled_from(["", "\n", "  # more\n", "# at the margin\n"]),
)
def test_any_block_file_comes_out_as_meant(names: list[str], indent: int, weights: bool, blank: str) -> None:
    names = [name for name in names if name != "new"] or ["home"]
    pad = " " * indent
    text = f"fleet: demo\n{blank}regions:\n"
    text += "".join(f"{pad}{name}:\n{blank}{pad}{pad}provider: lxd\n" for name in names)
    text += f"{blank}traffic:\n{pad}zone: example.com\n{pad}record: www\n"
    text += f"{pad}weights:\n{blank}" + "".join(f"{pad}{pad}{name}: 5\n" for name in names) if weights else ""
    for step in moved(text, names[-1]):
        assert "new" in regions(step)


def test_the_example_is_a_fleet_file() -> None:
    checked = check_spec(EXAMPLE)
    assert checked.fleet is not None, checked.problems
