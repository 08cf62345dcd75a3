"""Tables whose files lie in the folder golden, as the gateways got them before there were peers."""

from __future__ import annotations

from du_node.state import Route
from du_node.table import Entry, Upstream

BLUE = Upstream("blue", 20000, "v1-abc", "v1", "sha256:1")
GREEN = Upstream("green", 20001, "v2-def", "v2", "sha256:2")

TABLES = {
    "nothing": (),
    "one": (Entry("hello", Route(), BLUE),),
    "everything": (
        Entry("a-b", Route("www.example.com", "/"), BLUE, backup=GREEN),
        Entry("c", Route("", "/c"), BLUE, canary=GREEN, share=25, sticky=True),
        Entry("d", Route("", "/d"), BLUE, canary=GREEN, share=5),
        Entry("e", Route(), BLUE, preview=GREEN, start_timeout=20),
    ),
}
