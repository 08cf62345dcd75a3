"""pydantic's errors in our own words: what the value must be, what it is, and what was probably meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from du_infra.spec.autoscale import AutoscaleSpec
from du_infra.spec.base import keys_of
from du_infra.spec.complaints import Complaint, Loc, quoted
from du_infra.spec.container import SecretSource
from du_infra.spec.heal import HealSpec
from du_infra.spec.k3s import K3sSpec
from du_infra.spec.models import CROSS_ERROR, FleetSpec, PoolSpec, RegionSpec, ServiceSpec
from du_infra.spec.not_here import KEYS, RUNTIMES
from du_infra.spec.notify import HookSpec
from du_infra.spec.release import ReleaseSpec
from du_infra.spec.replicas import ReplicasSpec
from du_infra.spec.rules import RULE_ERROR
from du_infra.spec.suggest import nearest
from du_infra.spec.traffic import DnsServerSpec, GdnsdSpec, HetznerSpec, Route53Spec, TrafficSpec
from du_infra.spec.tree import Node, scalar_value
from du_infra.spec.values import Measure

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# Keys that belong one level below: where the level is, and what its keys are.
_INNER: Mapping[type[BaseModel], tuple[str, type[BaseModel]]] = {
    RegionSpec: ("pool", PoolSpec),
    PoolSpec: ("autoscale", AutoscaleSpec),
    ServiceSpec: ("release", ReleaseSpec),
}


def explain(errors: list[ErrorDetails], root: Node) -> list[Complaint]:
    """One complaint for each error, at the wrong value, or at the key if the key is wrong or a value is missing."""
    misspelt = {_meant_key(error["loc"]) for error in errors if error["type"] == "extra_forbidden"}
    return [
        _complaint(error, root)
        for error in errors
        if error["type"] != CROSS_ERROR and not (error["type"] == "missing" and error["loc"] in misspelt)
    ]


def _complaint(error: ErrorDetails, root: Node) -> Complaint:
    loc, about_key = error["loc"], error["type"] in ("missing", "extra_forbidden")
    if error["type"] == RULE_ERROR and loc[-1] == "[key]":
        loc, about_key = loc[:-1], True
    say = WORDS.get(error["type"], _unforeseen)
    return Complaint(say(error, raw_at(root, loc)), loc, place(root, loc, about_key=about_key))


def place(root: Node, loc: Loc, *, about_key: bool) -> int:
    """The offset of the value at ``loc``, or of its key; of the nearest thing around it if it is not there."""
    at, node = root.at, root
    for depth, part in enumerate(loc, start=1):
        if part not in node.children:
            return at
        key_at = node.keys.get(part, at) if isinstance(part, str) else at
        node = node.children[part]
        # A key without a value has nothing to point at; a mapping is best known by its key.
        by_key = about_key or depth < len(loc) or isinstance(node.value, dict) or (not node.raw and node.value is None)
        at = key_at if by_key and isinstance(part, str) else node.at
    return at


def raw_at(root: Node, loc: Loc) -> str:
    """A scalar as it was written, "" for anything else."""
    node = root
    for part in loc:
        if part not in node.children:
            return ""
        node = node.children[part]
    return node.raw


def model_at(loc: Loc) -> type[BaseModel] | None:
    """The model whose keys stand at ``loc``."""
    match loc:
        case ():
            return FleetSpec
        case ("regions", _):
            return RegionSpec
        case ("regions", _, "pool"):
            return PoolSpec
        case ("regions", _, "pool", "autoscale"):
            return AutoscaleSpec
        case ("regions", _, "heal"):
            return HealSpec
        case ("regions", _, "k3s"):
            return K3sSpec
        case ("state_password",) | ("regions", _, "k3s", "datastore"):
            return SecretSource
        case ("services", _):
            return ServiceSpec
        case ("services", _, "release"):
            return ReleaseSpec
        case ("services", _, "replicas"):
            return ReplicasSpec
        case ("services", _, "secrets", _) | ("traffic", "hetzner", "token"):
            return SecretSource
        case ("traffic",):
            return TrafficSpec
        case ("traffic", "gdnsd"):
            return GdnsdSpec
        case ("traffic", "gdnsd", "servers", _):
            return DnsServerSpec
        case ("traffic", "route53"):
            return Route53Spec
        case ("traffic", "hetzner"):
            return HetznerSpec
        case ("notify", _):
            return HookSpec
        case ("notify", _, "url" | "secret"):
            return SecretSource
    return None


def _meant_key(loc: Loc) -> Loc:
    model = model_at(loc[:-1])
    near = nearest(str(loc[-1]), list(keys_of(model))) if model else ""
    return (*loc[:-1], near)


def _unknown_key(error: ErrorDetails, raw: str) -> str:
    *above, key = error["loc"]
    meant = _meant_key(error["loc"])[-1]
    if meant:
        return f"unknown key (did you mean {meant}?)"
    model = model_at(tuple(above))
    if model in (RegionSpec, K3sSpec) and str(key) in KEYS:
        return KEYS[str(key)]
    if model and model in _INNER:
        below, inner = _INNER[model]
        home = nearest(str(key), list(keys_of(inner)))
        if home:
            return f"unknown key ({home} belongs under {below})"
    return f"unknown key (known here: {', '.join(keys_of(model))})" if model else "unknown key"


def _not_text(error: ErrorDetails, raw: str) -> str:
    value, measure = error["input"], _measure_at(error["loc"])
    if value is None or isinstance(value, dict | list | tuple):
        return _wrong_kind("must be text")(error, raw)
    if measure:
        meant = measure.rule.meant(raw)
        return f"{measure.rule.words} (got {shown(value, raw)}{f'; did you mean {meant}?' if meant else ''})"
    if _secret(error["loc"]):
        return "must be text: put the value in quotes"
    return f"must be text: write {quoted(raw or str(value))} in quotes"


def _measure_at(loc: Loc) -> type[Measure] | None:
    """The kind of value with a unit that belongs at ``loc``."""
    model = model_at(loc[:-1])
    field = keys_of(model).get(str(loc[-1])) if model else None
    kinds = (field.annotation, *get_args(field.annotation)) if field else ()
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Measure)), None)


def _not_whole(error: ErrorDetails, raw: str) -> str:
    value = error["input"]
    if isinstance(value, str) and isinstance(scalar_value(value.strip()), int):
        return f"must be a whole number, without quotes (got {quoted(value)})"
    return _wrong_kind("must be a whole number")(error, raw)


def _not_number(error: ErrorDetails, raw: str) -> str:
    value = error["input"]
    if isinstance(value, str) and isinstance(scalar_value(value.strip()), int | float):
        return f"must be a number, without quotes (got {quoted(value)})"
    return _wrong_kind("must be a number")(error, raw)


def _not_one_of(error: ErrorDetails, raw: str) -> str:
    known = _choices(error["loc"] if isinstance(error["loc"][-1], str) else error["loc"][:-1])
    value = error["input"]
    near = nearest(value, known) if isinstance(value, str) and len(known) > 1 else ""
    hint = f"; did you mean {near}?" if near else ""
    if error["loc"][2:] == ("runtime",) and isinstance(value, str) and value.lower() in RUNTIMES:
        hint = f"; {RUNTIMES[value.lower()]}"
    return f"must be {_one_of(known)} (got {shown(value, raw)}{hint})"


def _choices(loc: Loc) -> list[str]:
    """The words that may stand at ``loc``, or in the list there."""
    model = model_at(loc[:-1])
    field = keys_of(model)[str(loc[-1])] if model else None
    kinds = get_args(field.annotation) if field else ()
    inner = [choice for kind in kinds for choice in get_args(kind)]
    return [str(choice) for choice in inner or kinds]


def _one_of(known: list[str]) -> str:
    return " or ".join([", ".join(known[:-1]), known[-1]] if len(known) > 1 else known)


def _broken_rule(error: ErrorDetails, raw: str) -> str:
    words, meant = error["ctx"]["words"], error["ctx"]["meant"]
    got = "" if _secret(error["loc"]) else f"got {shown(error['input'], raw)}"
    hint = f"did you mean {meant}?" if meant and got else ""
    more = "; ".join(part for part in (got, hint) if part)
    return f"{words} ({more})" if more else str(words)


def _wrong_kind(wanted: str) -> Callable[[ErrorDetails, str], str]:
    def say(error: ErrorDetails, raw: str) -> str:
        value = error["input"]
        if value is None:
            return f"has no value: {wanted}{'' if _required(error['loc']) else ', or remove the key'}"
        hidden = _secret(error["loc"]) and not isinstance(value, dict | list)
        got = "" if hidden else f" (got {shown(value, raw)})"
        return wanted + got

    return say


def _required(loc: Loc) -> bool:
    model = model_at(loc[:-1])
    field = keys_of(model).get(str(loc[-1])) if model and loc else None
    return field is not None and field.is_required()


def _limit(words: str, key: str) -> Callable[[ErrorDetails, str], str]:
    return lambda error, raw: f"must be {words} {_plain(error['ctx'][key])} (got {shown(error['input'], raw)})"


def _plain(number: float) -> str:
    """A limit without the ".0" of a whole number."""
    return str(number).removesuffix(".0")


def _unforeseen(error: ErrorDetails, raw: str) -> str:
    return f"is not right: {error['msg']}"


def shown(value: Any, raw: str) -> str:
    """A value as the user wrote it, in one short line."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return raw[:40] or ("nothing" if value is None else str(value)[:40])


def _secret(loc: Loc) -> bool:
    """Whether a value at ``loc`` may hold a password: then it is not repeated."""
    if loc[:3] == ("traffic", "hetzner", "token"):
        return True
    if loc[:1] == ("notify",) and loc[2:3] in (("url",), ("secret",)):
        return True
    if loc[-1:] == ("[key]",) or len(loc) < 4:
        return loc[:1] in (("state",), ("state_password",))
    return (loc[0], loc[2]) in (("services", "env"), ("services", "secrets")) or loc[2:4] == ("k3s", "datastore")


def _not_a_mapping(error: ErrorDetails, raw: str) -> str:
    if model_at(error["loc"]) is SecretSource:
        return "must be {file: PATH} or {env: NAME}; the value itself does not belong here"
    return _wrong_kind("must be a mapping (key: value)")(error, raw)


WORDS: Mapping[str, Callable[[ErrorDetails, str], str]] = {
    "missing": lambda error, raw: "is missing",
    "extra_forbidden": _unknown_key,
    "string_type": _not_text,
    "int_type": _not_whole,
    "float_type": _not_number,
    "finite_number": lambda error, raw: f"must be a number (got {shown(error['input'], raw)})",
    "bool_type": _wrong_kind("must be true or false"),
    "dict_type": _wrong_kind("must be a mapping (key: value)"),
    "model_type": _not_a_mapping,
    "tuple_type": _wrong_kind("must be a list, such as [a, b]"),
    "literal_error": _not_one_of,
    "greater_than_equal": _limit("at least", "ge"),
    "less_than_equal": _limit("at most", "le"),
    "greater_than": _limit("more than", "gt"),
    "too_short": lambda error, raw: f"must have at least {error['ctx']['min_length']} entry",
    RULE_ERROR: _broken_rule,
}
"""How to say each of pydantic's error types; the tests see to it that no other comes up."""
