"""The routing table: peers leave no trace where there are none, and are checked where there are."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_node.errors import NodeError
from du_node.table import Entry, Peer, check, digest_of, from_json, to_json, with_peers
from tests.unit.node.golden_tables import TABLES

ONE = TABLES["one"]
B, C = Peer("demo-home-2", "10.0.0.2"), Peer("demo-home-3", "fd00::3")

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
peers = st.lists(st.builds(Peer, st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True), addresses)).map(tuple)


def test_a_table_without_peers_has_the_digest_it_always_had() -> None:
    assert digest_of(ONE) == "6c7c9b349e556481"
    assert not {"peers", "shared"} & to_json(ONE[0]).keys()


def test_a_table_with_other_peers_is_another_table() -> None:
    tables = [with_peers(ONE, found, shared=True) for found in ({}, {"hello": (B,)}, {"hello": (B, C)})]
    assert len({digest_of(table) for table in [ONE, *tables]}) == 4


@given(st.sampled_from(TABLES["everything"]), peers, st.booleans())
def test_an_entry_can_be_read_back_from_json(item: Entry, found: tuple[Peer, ...], shared: bool) -> None:
    made = replace(item, peers=found, shared=shared)
    assert from_json(json.loads(json.dumps(to_json(made)))) == made
    check((made,))


def test_who_takes_requests_elsewhere_is_asked_for_them_too() -> None:
    (item,) = with_peers(ONE, {"hello": (B,), "other": (C,)}, shared=False)
    assert (item.peers, item.shared) == ((B,), True)
    assert with_peers((item,), {}, shared=False) == ONE


@pytest.mark.parametrize("address", ["", "10.0.0.2:80", "10.0.0", "b.example", "10.0.0.2;", "fd00::3]", "fe80::1%eth0"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(NodeError):
        check((replace(ONE[0], peers=(Peer("b", address),)),))


def test_a_slot_with_another_port_is_its_own_spare_where_there_is_no_other_slot() -> None:
    one = ONE[0]
    ported = replace(one.primary, unready_port=20100)
    alone = replace(one, primary=ported, backup=None, canary=None, share=0)
    assert alone.spare == replace(one.primary, port=20100)
    assert alone.slots == (one.primary.slot,)
    assert from_json(to_json(alone)) == alone
    other = replace(one.primary, slot="green", port=20001)
    assert replace(alone, backup=other).spare == other
    with pytest.raises(NodeError, match="cannot be a port"):
        check((replace(alone, primary=replace(ported, unready_port=70000)),))
