"""The world's entrance: ``traffic:`` in fleet.yaml, one name and the regions that it leads to."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, field_validator

from du_infra.spec.base import Items, Model
from du_infra.spec.container import SecretSource
from du_infra.spec.rules import Host, Name, Rule, broken_rule
from du_infra.spec.values import Duration, Percent

STEPS = (5, 25, 50, 100)
"""The shares by which a region gets more requests, unless fleet.yaml names others."""


_ADDRESS = "must be an IPv4 or IPv6 address such as 203.0.113.7"


def address_words(text: str) -> str:
    """Why no answer of DNS can have this address, or "" when one can. One way to write it: others look like others."""
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return _ADDRESS
    if parsed.is_unspecified or parsed.is_multicast or "%" in text:
        return "must be the address of one place, such as 203.0.113.7"
    return "" if str(parsed) == text else "must be written as addresses usually are, such as 2001:db8::7"


def _usual(text: str) -> str:
    bare = text.strip().strip("[]")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare


Address: TypeAlias = Annotated[
    str,
    Rule(
        r"[0-9A-Fa-f:.]+",
        _ADDRESS,
        refine=address_words,
        mend=_usual,
        examples=("203.0.113.7",),
    ),
]
RecordName: TypeAlias = Annotated[
    str,
    Rule(
        r"@|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*",
        "must be a name inside the zone such as www, or @ for the zone itself",
        longest=200,
        mend=lambda text: text.strip().lower().strip(".") or "@",
        examples=("www", "@"),
    ),
]
Label: TypeAlias = Annotated[
    str, Rule(r"[A-Za-z0-9][A-Za-z0-9_-]*", "must be an id of letters, digits, - and _", longest=64)
]
Weight: TypeAlias = Annotated[int, Field(ge=0, le=100)]
Requests: TypeAlias = Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)]


class DnsServerSpec(Model):
    """One authoritative server, as it is asked."""

    address: Address = Field(description="Where the server answers.")
    port: int = Field(default=53, ge=1, le=65535, description="The port on which it answers.")


class GdnsdSpec(Model):
    """Where gdnsd runs; without servers and regions on the machine that runs du-infra."""

    servers: Items[DnsServerSpec] = Field(default=(), description="Servers by address.")
    regions: Items[Name] = Field(default=(), description="Regions that run one on each of their machines.")
    addresses: dict[Name, Address] = Field(
        default_factory=dict,
        description="Where the world finds a machine of these regions, by its name; without it the machine's own.",
    )


class Route53Spec(Model):
    """Which hosted zone of Route 53. Credentials are found as AWS's own tools find them."""

    zone_id: Label | None = Field(
        default=None, description="The id of the hosted zone; without it, the one that has the name of zone."
    )
    health_checks: dict[Name, Label] = Field(
        default_factory=dict, description="Ids of health checks that were made before, by region."
    )


class HetznerSpec(Model):
    """How Hetzner's DNS is reached."""

    token: SecretSource = Field(default=SecretSource(env="HCLOUD_TOKEN"), description="Where the API token is.")


class TrafficSpec(Model):
    """One DNS name, the regions behind it, and how quickly and how far their shares may change."""

    zone: Host = Field(description="The DNS zone, such as example.com.")
    record: RecordName = Field(description="The name inside the zone; @ is the zone itself.")
    ttl: Duration = Field(default=Duration("30s"), description="How long resolvers may keep an answer.")
    backend: Literal["gdnsd", "route53", "hetzner"] = Field(default="gdnsd", description="What answers DNS.")
    gdnsd: GdnsdSpec = Field(default=GdnsdSpec(), description="Where gdnsd runs; for backend: gdnsd.")
    route53: Route53Spec = Field(default=Route53Spec(), description="The hosted zone; for backend: route53.")
    hetzner: HetznerSpec = Field(default=HetznerSpec(), description="The account; for backend: hetzner.")
    addresses: dict[Name, Address] = Field(
        default_factory=dict, description="The address that answers have, by region; without it the region's own."
    )
    weights: dict[Name, Weight] | None = Field(
        default=None,
        description="Each region's part of the answers beside the others'; with 0 a standby. Without it all alike.",
    )
    waves: Items[Annotated[tuple[Name, ...], Field(strict=False, min_length=1)]] | None = Field(
        default=None, description="In which order regions get a new version; without it, all at once."
    )
    canary: Items[Annotated[int, Field(ge=1, le=100)]] = Field(
        default=STEPS, description="Percent of the answers at which a region that gets more stops. Empty: none."
    )
    soak: Duration = Field(default=Duration("5m"), description="How long nothing is changed after a step.")
    min_requests: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        description="How many requests the gateways must have counted until a step's shares are judged; 0: no judging.",
    )
    interval: Duration = Field(default=Duration("2s"), description="How often each observer asks each region.")
    down_after: Duration = Field(
        default=Duration("3s"), description="How long a majority must call a region dead until it is not given out."
    )
    hold: Duration = Field(
        default=Duration("30s"), description="How long a majority must call it well until it is given out again."
    )
    min_regions: int = Field(default=1, ge=1, le=1000, description="The fewest regions that answers have.")
    capacity: dict[Name, Requests] = Field(
        default_factory=dict, description="Requests a second that a region can bear; without it that is measured."
    )
    max_shift: Percent = Field(
        default=Percent("100%"), description="How much of the answers may be moved by plan within an hour; 100%: any."
    )
    per_hour: int = Field(
        default=30, ge=2, le=1000, description="How often the record may change in an hour; half of that by plan."
    )
    freeze: bool = Field(default=False, description="Whether nothing at all may be changed, by no failover either.")

    @property
    def name(self) -> str:
        """The whole DNS name."""
        return self.zone if self.record == "@" else f"{self.record}.{self.zone}"

    @property
    def ttl_seconds(self) -> int:
        """``ttl`` in whole seconds."""
        return int(self.ttl.seconds)

    @field_validator("canary")
    @classmethod
    def _shares_grow(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            meant = f"[{', '.join(str(share) for share in sorted(set(value)))}]"
            words = "must grow from step to step, such as [5, 25, 50, 100]"
            raise broken_rule(words, meant)
        return value

    @field_validator("ttl", "interval", "down_after", "hold")
    @classmethod
    def _a_second_or_more(cls, value: Duration) -> Duration:
        if value.seconds < 1:
            raise broken_rule("must be at least 1s", "1s")
        return value

    @field_validator("max_shift")
    @classmethod
    def _some(cls, value: Percent) -> Percent:
        if value.points < 1:
            raise broken_rule("must be at least 1%", "1%")
        return value
