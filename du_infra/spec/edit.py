"""fleet.yaml changed by du-infra itself: a region beside another one, its weight given to it, the old one left out.

Only lines that must change do; comments and all other lines stay. What comes out is read again, and must say just what
the change means, or nothing is written: a file that a person wrote is not guessed at.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from copy import deepcopy
from difflib import SequenceMatcher
from typing import Any, TypeAlias

from du_infra.errors import Refused
from du_infra.spec.load import check_text
from du_infra.spec.models import FleetSpec

Change: TypeAlias = Callable[[Any], None]
"""Changes the file's data in place: plain, or as ruamel.yaml has it with its comments."""

_BY_REGION = ("weights", "capacity", "addresses")
_INDENTS = ((2, 2, 0), (2, 4, 2), (4, 4, 0), (4, 4, 2), (4, 6, 4))


def beside(old: str, new: str, provider: str, weights: Mapping[str, int]) -> Change:
    """Region ``new`` as ``old`` is, but at another provider and with weight 0; ``weights`` are all others'."""

    def change(data: Any) -> None:
        _after(data["regions"], old, new, {**deepcopy(data["regions"][old]), "provider": provider})
        traffic = data["traffic"]
        _fill(traffic, "weights", {**weights, new: 0})
        capacity = traffic.get("capacity") or {}
        if old in capacity:
            _after(capacity, old, new, capacity[old])
        for names in _lists(traffic):
            if old in names:
                names.insert(names.index(old) + 1, new)

    return change


def handed_over(old: str, new: str) -> Change:
    """``new`` has the weight of ``old``, which has none."""

    def change(data: Any) -> None:
        weights = data["traffic"]["weights"]
        weights[new], weights[old] = weights[old], 0

    return change


def without(old: str) -> Change:
    """No word of region ``old``."""

    def change(data: Any) -> None:
        del data["regions"][old]
        traffic = data["traffic"]
        for part in (*(traffic.get(key) for key in _BY_REGION), (traffic.get("route53") or {}).get("health_checks")):
            if part and old in part:
                del part[old]
        for names in _lists(traffic):
            if old in names:
                names.remove(old)

    return change


def edited(text: str, change: Change, where: str) -> str:
    """The file's text after a change. Raises Refused, with what to write, when it cannot be changed just so."""
    before, _ = check_text(text)
    assert before is not None
    wanted = before.model_dump(mode="json")
    change(wanted)
    for new in _attempts(text, change):
        found, _ = check_text(new)
        if found is not None and found.model_dump(mode="json") == wanted:
            return new
    raise Refused(
        "the file cannot be changed by du-infra without changing more than is meant",
        where=where,
        todo="write it as the lines below say, then run the same command again",
        detail=_in_words(before, wanted),
    )


def _lists(traffic: Mapping[str, Any]) -> list[Any]:
    """Where regions stand by name alone."""
    answering = (traffic.get("gdnsd") or {}).get("regions")
    return [*(traffic.get("waves") or ()), *([answering] if answering else [])]


def _after(mapping: Any, key: str, new: str, value: object) -> None:
    if not hasattr(mapping, "insert"):  # plain data
        mapping[new] = value
        return
    if isinstance(value, dict):
        like = deepcopy(mapping[key])  # as it is written: on one line, or on several
        like.update(value)
        value = like
    mapping.insert(list(mapping).index(key) + 1, new, value)


def _fill(mapping: MutableMapping[str, Any], key: str, values: Mapping[str, int]) -> None:
    if mapping.get(key) is None or not hasattr(mapping, "insert"):
        mapping[key] = _on_one_line(values) if hasattr(mapping, "insert") else dict(values)
        return
    there = mapping[key]
    for name in [name for name in there if name not in values]:
        del there[name]
    there.update(values)


def _on_one_line(values: Mapping[str, int]) -> object:
    from ruamel.yaml.comments import CommentedMap

    found = CommentedMap(values)
    found.fa.set_flow_style()
    return found


def _attempts(text: str, change: Change) -> Iterable[str]:
    """The change in the file's own lines; then the file as ruamel.yaml would write it."""
    try:
        indent = min(_INDENTS, key=lambda one: _strange(_written(text, one), text))
        before, after = _written(text, indent), _written(text, indent, change)
    except Exception:  # whatever its writer makes of an odd file: the caller says what to do
        return
    yield _patched(text, before, after)
    yield after


def _written(text: str, indent: tuple[int, int, int], change: Change | None = None) -> str:
    """The file as ruamel.yaml writes it, as it is or changed."""
    from ruamel.yaml import YAML

    yaml, out = YAML(), io.StringIO()
    yaml.preserve_quotes, yaml.width = True, 4096
    yaml.indent(*indent)
    data = yaml.load(text)
    if change is not None:
        change(data)
    yaml.dump(data, out)
    return out.getvalue()


def _strange(written: str, text: str) -> int:
    """How many lines are not as the file has them."""
    there = set(text.splitlines())
    return sum(line not in there for line in written.splitlines())


def _patched(text: str, before: str, after: str) -> str:
    """What differs between the last two, brought into the text."""
    lines, old, new = text.splitlines(), before.splitlines(), after.splitlines()
    at = _places(old, lines)
    for tag, begin, end, first, last in reversed(SequenceMatcher(None, old, new, autojunk=False).get_opcodes()):
        if tag == "equal":
            continue
        here = at[begin] if begin < end else at[begin - 1] + 1
        lines[here : at[end - 1] + 1 if begin < end else here] = new[first:last]
    return "\n".join(lines) + "\n"


def _places(written: Sequence[str], lines: Sequence[str]) -> dict[int, int]:
    """Which line of the file each written line is, whatever blanks it has."""
    plain = [["".join(line.split()) for line in some] for some in (written, lines)]
    blocks = SequenceMatcher(None, plain[0], plain[1], autojunk=False).get_matching_blocks()
    return {block.a + n: block.b + n for block in blocks for n in range(block.size)}


def _in_words(before: FleetSpec, wanted: Mapping[str, Any]) -> str:
    """The parts that a person has to change."""
    import json

    was = before.model_dump(mode="json")
    parts = [("regions", was["regions"], wanted["regions"])]
    parts += [(f"traffic.{key}", was["traffic"][key], value) for key, value in wanted["traffic"].items()]
    return "\n".join(f"{name}: {json.dumps(value)}" for name, old, value in parts if old != value)
