"""docs/fleet.md names every key with its real default, and its examples are right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from du_infra.spec import (
    AutoscaleSpec,
    FleetSpec,
    HealSpec,
    HookSpec,
    K3sSpec,
    PoolSpec,
    RegionSpec,
    ReleaseSpec,
    ReplicasSpec,
    ServiceSpec,
    TrafficSpec,
)
from du_infra.spec.autoscale import TARGETS
from du_infra.spec.base import keys_of
from du_infra.spec.container import SecretSource
from du_infra.spec.load import check_text
from du_infra.spec.notify import NOTE_KINDS
from du_infra.spec.traffic import DnsServerSpec, GdnsdSpec, HetznerSpec, Route53Spec

MANUAL = (Path(__file__).parents[3] / "docs" / "fleet.md").read_text()
IN_WORDS = {
    ("PoolSpec", "nodes"): "as min says",
    ("PoolSpec", "min"): "1",
    ("PoolSpec", "max"): "50",
    ("PoolSpec", "autoscale"): "never",
    **{("AutoscaleSpec", name): "none" for name in TARGETS},
    ("FleetSpec", "state_password"): "none",
    ("K3sSpec", "from"): "downloaded",
    ("K3sSpec", "datastore"): "none",
    ("RegionSpec", "services"): "all",
    ("ServiceSpec", "host"): "any",
    ("ServiceSpec", "memory"): "no limit",
    ("ServiceSpec", "cpus"): "no limit",
    ("ReplicasSpec", "max"): "as min says",
    ("ReleaseSpec", "warm_up"): "none",
    ("HookSpec", "secret"): "none",
    ("HookSpec", "kinds"): "all",
    ("FleetSpec", "traffic"): "none",
    ("TrafficSpec", "weights"): "all alike",
    ("TrafficSpec", "waves"): "one",
    ("Route53Spec", "zone_id"): "by its name",
}


def table(heading: str) -> dict[str, str]:
    """Key → default of the first table under ``heading``."""
    part = re.split(r"^#+ ", MANUAL.partition(f"# {heading}\n")[2], maxsplit=1, flags=re.M)[0]
    return {key: default.strip("`") for key, default in re.findall(r"^\| `(\w+)` \| ([^|]*?) \|", part, flags=re.M)}


def default_of(model: type[BaseModel], name: str) -> str:
    field = keys_of(model)[name]
    if field.is_required():
        return "required"
    if (model.__name__, name) in IN_WORDS:
        assert field.default in (None, NOTE_KINDS)
        return IN_WORDS[model.__name__, name]
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, PoolSpec | HealSpec | K3sSpec | ReleaseSpec | GdnsdSpec | Route53Spec | HetznerSpec):
        return "{}" if value == type(value)() else str(value)
    if isinstance(value, ReplicasSpec):
        return str(value.min) if value == ReplicasSpec() else str(value)
    if isinstance(value, SecretSource):
        return f"{{env: {value.env}}}"
    if isinstance(value, tuple):
        return f"[{', '.join(str(one) for one in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("The fleet", FleetSpec),
        ("regions.NAME", RegionSpec),
        ("regions.NAME.pool", PoolSpec),
        ("regions.NAME.pool.autoscale", AutoscaleSpec),
        ("regions.NAME.heal", HealSpec),
        ("regions.NAME.k3s", K3sSpec),
        ("services.NAME", ServiceSpec),
        ("services.NAME.replicas", ReplicasSpec),
        ("services.NAME.release", ReleaseSpec),
        ("traffic", TrafficSpec),
        ("traffic.gdnsd", GdnsdSpec),
        ("traffic.gdnsd.servers", DnsServerSpec),
        ("traffic.route53", Route53Spec),
        ("traffic.hetzner", HetznerSpec),
        ("notify.NAME", HookSpec),
    ],
)
def test_the_manual_lists_every_key_with_its_default(heading: str, model: type[BaseModel]) -> None:
    assert table(heading) == {name: default_of(model, name) for name in keys_of(model)}


def test_the_examples_of_the_manual_are_right() -> None:
    examples = re.findall(r"^```yaml\n(fleet:.*?)^```", MANUAL, flags=re.M | re.S)
    assert len(examples) == 2
    for example in examples:
        assert check_text(example)[1] == []


def test_the_last_example_shows_every_key() -> None:
    example = re.findall(r"^```yaml\n(fleet:.*?)^```", MANUAL, flags=re.M | re.S)[-1]
    for model in (
        FleetSpec,
        RegionSpec,
        PoolSpec,
        AutoscaleSpec,
        HealSpec,
        K3sSpec,
        ServiceSpec,
        ReplicasSpec,
        ReleaseSpec,
        TrafficSpec,
        GdnsdSpec,
        DnsServerSpec,
        HookSpec,
    ):
        assert [name for name in keys_of(model) if f"{name}:" not in example] == []


def test_the_shown_messages_are_what_the_command_says() -> None:
    text = "fleet: demo\nregions:\n  home:\n    provder: lxd\n    pool: {nodes: 0}\n"
    said = [complaint.message for complaint in check_text(text)[1]]
    assert len(said) == 2
    assert all(f": {message}\n" in MANUAL for message in said)
