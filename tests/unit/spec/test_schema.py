"""The JSON Schema says what the models say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from du_infra.spec import FleetSpec, json_schema
from du_infra.spec.tree import parse
from tests.unit.spec.test_cases import CASES, split

SCHEMA = json_schema()
ROOT = Path(__file__).parents[3]


def valid(fleet: Any) -> bool:
    return Draft202012Validator(SCHEMA).is_valid(fleet)


def data(text: str) -> Any:
    root, complaints = parse(text)
    assert root is not None
    assert not complaints
    return root.value


def objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


def test_the_sample_fleet_is_valid() -> None:
    assert valid(data((ROOT / "fleet.yaml").read_text()))


@pytest.mark.parametrize("case", [case for case in CASES if case.stem.startswith("ok-")], ids=lambda case: case.stem)
def test_right_files_are_valid(case: Path) -> None:
    assert valid(data(split(case)[0]))


# What a schema cannot say: rules between parts, and rules that need arithmetic.
BEYOND = {
    "autoscale-without-max",
    "canary-that-shrinks",
    "cpus-over-the-machine",
    "cross-checks-beside-other-mistakes",
    "k3s-beside-another-runtime",
    "duration-of-zero",
    "memory-over-the-machine",
    "memory-too-little",
    "max-errors-over-all",
    "path-kept-for-the-region",
    "path-that-climbs",
    "pool-min-over-max",
    "replicas-where-each-machine-has-one",
    "service-listed-twice",
    "traffic-addresses",
    "traffic-addresses-mixed",
    "traffic-between-parts",
    "traffic-dns-addresses",
    "traffic-without-weight",
    "two-services-at-one-address",
    "unknown-service",
    "volumes-on-one-folder",
}


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.stem not in BEYOND and split(case)[1] and not parse(split(case)[0])[1]],
    ids=lambda case: case.stem,
)
def test_wrong_files_are_not_valid(case: Path) -> None:
    assert not valid(data(split(case)[0]))


def test_every_object_refuses_unknown_keys() -> None:
    found = list(objects(SCHEMA))
    # fleet, regions, services, region, pool, autoscale, heal, k3s,
    # service, env, replicas, volumes, secrets, secret, release, notify, hook,
    # traffic, gdnsd, its server, its addresses, route53, its health checks, hetzner, addresses, weights, capacity
    assert len(found) == 27
    assert all(part["additionalProperties"] is False for part in found)


def test_every_key_has_a_description() -> None:
    for part in objects(SCHEMA):
        for name, key in part.get("properties", {}).items():
            assert key.get("description"), name


def test_a_default_is_valid_where_it_stands() -> None:
    fleet = FleetSpec.model_validate({"fleet": "demo", "regions": {"home": {"provider": "lxd"}}})
    assert valid(fleet.model_dump(mode="json"))
