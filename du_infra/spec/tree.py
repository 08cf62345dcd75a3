"""YAML text as a tree of plain values that remember where they stand.

ruamel.yaml parses; the tree is built here from its events, because that lets us report every mistake at once
and bound depth, size and aliases before they cost anything. Scalars follow the YAML 1.2 core schema, so ``no``
and ``2024-01-01`` are text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from du_infra.spec.complaints import Complaint, Loc, Stop, quoted
from du_infra.spec.syntax import syntax_complaint

MAX_DEPTH = 30
MAX_ALIASES = 200
MAX_VALUES = 100_000

_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("true", "True", "TRUE"))
_FALSE = frozenset(("false", "False", "FALSE"))
_INT = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
_TAGS = frozenset((None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"))


@dataclass(frozen=True)
class Node:
    """A value: ``value`` as plain Python, ``at`` its offset, ``raw`` a scalar's text as written.

    ``keys`` holds the offset of each key of a mapping; ``count`` the values inside, aliases written out.
    """

    value: Any
    at: int
    raw: str = ""
    keys: Mapping[str, int] = field(default_factory=dict)
    children: Mapping[str | int, Node] = field(default_factory=dict)
    count: int = 1


def parse(text: str) -> tuple[Node | None, list[Complaint]]:
    """The document's root (None when it could not be read to its end) and what is wrong with it."""
    composer = _Composer(text)
    try:
        root = composer.document()
    except Stop as stop:
        return None, [*composer.complaints, stop.complaint]
    return root, composer.complaints


def scalar_value(raw: str) -> str | int | float | bool | None:
    """What an unquoted word means (YAML 1.2 core schema, 10.3.2)."""
    if raw in _NULL:
        return None
    if raw in _TRUE or raw in _FALSE:
        return raw in _TRUE
    if _INT.fullmatch(raw):
        base = {"0o": 8, "0x": 16}.get(raw[:2], 10)
        return int(raw[2:] if base != 10 else raw, base)
    if _FLOAT.fullmatch(raw):
        return float(re.sub(r"\.(?=[in])", "", raw.lower()))
    return raw


class _Composer:
    def __init__(self, text: str) -> None:
        self.complaints: list[Complaint] = []
        self._events = _events(text)
        self._anchors: dict[str, Node] = {}
        self._aliases = 0
        self._loc: Loc = ()

    def document(self) -> Node | None:
        root: Node | None = None
        for kind, event in self._events:
            if kind == "DocumentStart":
                if root is not None:
                    self._complain("a second document starts here: a fleet file holds one", event)
                    break
                root = self._node(*next(self._events))
        return root

    def _node(self, kind: str, event: Any) -> Node:
        if len(self._loc) > MAX_DEPTH:
            self._stop(f"nested more than {MAX_DEPTH} levels deep", event)
        if kind == "Alias":
            return self._alias(event)
        tag = str(event.tag) if event.tag is not None else None
        if tag not in _TAGS:
            self._complain("tags (words with !) are not used in a fleet file: remove it", event)
        node = {"Scalar": self._scalar, "SequenceStart": self._sequence, "MappingStart": self._mapping}[kind](event)
        if node.count > MAX_VALUES:
            self._stop(f"more than {MAX_VALUES} values, aliases written out", event)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any) -> Node:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self._stop(f"more than {MAX_ALIASES} aliases (*name)", event)
        if event.anchor not in self._anchors:
            name = quoted(event.anchor)[1:-1]  # what cannot be printed is not
            self._complain(f"*{name} names no anchor (&{name}) above it", event)
            return Node(None, event.start_mark.index)
        return self._anchors[event.anchor]

    def _scalar(self, event: Any) -> Node:
        # JSON writes characters beyond U+FFFF as two escapes, which YAML reads as two halves.
        raw = str(event.value).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        if _NOT_TEXT.search(raw):
            self._complain("an escape that stands for no character of a text (\\0 or half a pair)", event)
            raw = _NOT_TEXT.sub("\ufffd", raw)
        plain = event.tag is None and not event.style
        return Node(scalar_value(raw) if plain else raw, event.start_mark.index, raw)

    def _sequence(self, event: Any) -> Node:
        items: dict[str | int, Node] = {}
        outer = self._loc
        for kind, inner in self._events:
            if kind == "SequenceEnd":
                break
            self._loc = (*outer, len(items))
            items[len(items)] = self._node(kind, inner)
        self._loc = outer
        count = 1 + sum(item.count for item in items.values())
        return Node([item.value for item in items.values()], event.start_mark.index, children=items, count=count)

    def _mapping(self, event: Any) -> Node:
        keys: dict[str, int] = {}
        children: dict[str | int, Node] = {}
        merged: list[Node] = []
        outer = self._loc
        for kind, inner in self._events:
            if kind == "MappingEnd":
                break
            self._loc = outer
            key = self._key(kind, inner)
            self._loc = (*outer, "?" if key is None else key)
            value = self._node(*next(self._events))
            if key == "<<" and not inner.style:
                merged += self._merge_sources(value, inner)
            elif key in keys:
                self._complain(f"{quoted(key)} is here twice: keep one", inner)
            elif key is not None:
                keys[key], children[key] = inner.start_mark.index, value
        self._loc = outer
        for source in merged:
            for name in [name for name in source.keys if name not in keys]:
                keys[name], children[name] = source.keys[name], source.children[name]
        count = 1 + sum(child.count for child in children.values())
        value_of = {name: child.value for name, child in children.items()}
        return Node(value_of, event.start_mark.index, keys=keys, children=children, count=count)

    def _key(self, kind: str, event: Any) -> str | None:
        """A key's text, or None after a complaint; a key that is a list or mapping is read and dropped."""
        outer = self._loc
        self._loc = (*outer, "?")
        node = self._node(kind, event)
        self._loc = outer
        if isinstance(node.value, dict | list):
            self._complain("a key must be text, not a list or a mapping ({{ }} needs quotes)", event)
            return None
        if not isinstance(node.value, str):
            self._loc = (*outer, node.raw)
            self._complain(f"a key must be text: write {quoted(node.raw)} in quotes", event)
            self._loc = outer
        return node.raw

    def _merge_sources(self, node: Node, event: Any) -> list[Node]:
        sources = list(node.children.values()) if isinstance(node.value, list) else [node]
        if not all(isinstance(source.value, dict) for source in sources):
            self._complain("<< takes a mapping, such as *name", event)
        return [source for source in sources if isinstance(source.value, dict)]

    def _complain(self, message: str, event: Any) -> None:
        self.complaints.append(Complaint(message, self._loc, event.start_mark.index))

    def _stop(self, message: str, event: Any) -> NoReturn:
        raise Stop(Complaint(f"too much for a fleet file: {message}", at=event.start_mark.index))


def _events(text: str) -> Iterator[tuple[str, Any]]:
    """The parser's events by name, Stop in place of whatever the parser raises."""
    from ruamel.yaml import YAML

    at = 0
    events = iter(YAML(typ="safe", pure=True).parse(text))
    while True:
        try:
            event = next(events)
        except StopIteration:
            return
        except Exception as error:  # the parser also fails with OverflowError, ValueError and others on odd input
            raise Stop(syntax_complaint(error, at)) from error
        at = event.end_mark.index
        yield type(event).__name__.removesuffix("Event"), event
