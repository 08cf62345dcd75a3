"""What fleet.yaml can say."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from du_infra.spec.autoscale import AutoscaleSpec
from du_infra.spec.base import Items, Model
from du_infra.spec.container import SecretName, SecretSource, VolumePath
from du_infra.spec.cross import cross_complaints
from du_infra.spec.heal import HealSpec
from du_infra.spec.k3s import K3sSpec
from du_infra.spec.notify import HookSpec
from du_infra.spec.release import ReleaseSpec
from du_infra.spec.replicas import Replicas, ReplicasSpec
from du_infra.spec.rules import (
    Cidr,
    EnvName,
    Host,
    Image,
    Name,
    Plain,
    ReadyPath,
    RoutePath,
    StateUrl,
    Tag,
    broken_rule,
)
from du_infra.spec.traffic import TrafficSpec
from du_infra.spec.values import Duration, Memory, Size

CROSS_ERROR = "du_cross"
MOST_NODES = 50


def _more_than_nothing(value: Duration) -> Duration:
    if value.seconds == 0:
        raise broken_rule("must be more than 0")
    return value


class PoolSpec(Model):
    """The machines of a region."""

    nodes: int | None = Field(
        default=None,
        ge=1,
        le=MOST_NODES,
        description="How many machines the region has; without it as many as min says, or 1.",
    )
    min: int | None = Field(
        default=None, ge=1, le=MOST_NODES, description="The fewest machines to which the region may be scaled."
    )
    max: int | None = Field(
        default=None, ge=1, le=MOST_NODES, description="The most machines to which the region may be scaled."
    )
    size: Size = Field(
        default=Size("1c1g"), description="CPUs and memory of each machine: 1c1g is one CPU and one GiB."
    )
    boot_timeout: Duration = Field(
        default=Duration("2m"), description="How long a machine may take until it answers over SSH."
    )
    autoscale: AutoscaleSpec | None = Field(
        default=None, description="When machines are added and taken away by nobody's order; without it, never."
    )

    @field_validator("boot_timeout")
    @classmethod
    def _takes_time(cls, value: Duration) -> Duration:
        return _more_than_nothing(value)

    @property
    def wanted(self) -> int:
        """How many machines the file asks for."""
        return self.nodes or self.least

    @property
    def least(self) -> int:
        """The fewest machines that a scale may leave."""
        return self.min or 1

    @property
    def most(self) -> int:
        """The most machines that a scale may ask for."""
        return self.max or MOST_NODES

    @property
    def cpus(self) -> int:
        """CPUs of each machine."""
        return self.size.cpus

    @property
    def memory_mb(self) -> int:
        """Memory of each machine in MiB."""
        return self.size.memory_mb


class RegionSpec(Model):
    """One place where services run: machines, a container runtime and a gateway."""

    provider: Literal["lxd"] = Field(description="Who gives the machines. lxd: system containers on this machine.")
    runtime: Literal["containerd", "docker", "k3s"] = Field(
        default="containerd", description="What runs the containers on each machine."
    )
    k3s: K3sSpec = Field(default=K3sSpec(), description="Which K3s, and from where; for runtime: k3s.")
    gateway: Literal["nginx", "envoy"] = Field(
        default="nginx", description="What takes the requests at the region's entrance, on each machine."
    )
    pool: PoolSpec = Field(default=PoolSpec(), description="How many machines, and how large.")
    heal: HealSpec = Field(default=HealSpec(), description="When a dead machine is replaced by itself.")
    services: Items[Name] | None = Field(
        default=None, description="Names of the services that run here; without this key, all of them."
    )
    admin_cidrs: Items[Cidr] = Field(
        default=(), description="Networks that may reach the machines by SSH, besides the machine that runs du-infra."
    )


class ServiceSpec(Model):
    """One service: an image, the port it listens on, and how the gateway finds it."""

    image: Image = Field(description="The image's repository, without a tag.")
    tag: Tag = Field(default="latest", description="Which image of the repository; a release pins its digest.")
    port: int = Field(ge=1, le=65535, description="The port on which the service listens inside its container.")
    ready: ReadyPath = Field(
        default="/readyz", description="The path that answers 200 once the service can take requests."
    )
    host: Host | None = Field(
        default=None,
        description="The host name whose requests go to this service; without it, any that no other service has.",
    )
    path: RoutePath = Field(
        default="/",
        description="Requests whose path starts with this go to the service, with their path as it is.",
    )
    env: dict[EnvName, Plain] = Field(
        default_factory=dict,
        repr=False,  # a value may be something that nobody should read in a log
        description="Environment variables. Values are text: put numbers, true and false in quotes.",
    )
    command: Items[Plain] = Field(
        default=(),
        description="What the image's entrypoint is given, or what runs if it has none; in place of its CMD.",
    )
    memory: Memory | None = Field(
        default=None, description="The most memory each copy may use, such as 256m or 1g; without it, no limit."
    )
    cpus: float | None = Field(
        default=None,
        ge=0.01,
        le=999,
        allow_inf_nan=False,
        description="The most CPU time each copy may use, such as 0.5 for half of one CPU; without it, no limit.",
    )
    replicas: Replicas = Field(
        default=ReplicasSpec(),
        description="How many copies a region with runtime: k3s runs: a number, or min and max; one a machine or more.",
    )
    volumes: dict[Name, VolumePath] = Field(
        default_factory=dict,
        description="Folders on the machine that stay when a copy goes: a name, and where it is in the container.",
    )
    secrets: dict[SecretName, SecretSource] = Field(
        default_factory=dict,
        description="Values that are in no file of du-infra's; each is the file /run/secrets/NAME in the container.",
    )
    start_timeout: Duration = Field(
        default=Duration("60s"), description="How long a new copy may take until it is ready."
    )
    stop_grace: Duration = Field(
        default=Duration("10s"), description="How long an old copy may take to end after it was asked to."
    )
    before: Items[Plain] = Field(
        default=(),
        description="A command that runs once in the new image before a release, such as a migration of a database.",
    )
    before_timeout: Duration = Field(default=Duration("5m"), description="How long that command may take.")
    release: ReleaseSpec = Field(default=ReleaseSpec(), description="How new versions go live.")

    @property
    def memory_mb(self) -> int | None:
        """``memory`` in MiB, or None for no limit."""
        return None if self.memory is None else self.memory.mb

    @field_validator("start_timeout", "before_timeout")
    @classmethod
    def _takes_time(cls, value: Duration) -> Duration:
        return _more_than_nothing(value)


class FleetSpec(Model):
    """Everything that a user wants, in one file: regions, and the services that run in them."""

    fleet: Name = Field(description="The fleet's name; machines are called <fleet>-<region>-<number>.")
    state: StateUrl = Field(
        default="sqlite:///.du/state.db",
        description="Where du-infra remembers releases and events. A relative file stands beside fleet.yaml.",
    )
    state_password: SecretSource | None = Field(
        default=None,
        description="Where the password for a PostgreSQL is; without it libpq looks for one (its passfile, say).",
    )
    regions: dict[Name, RegionSpec] = Field(min_length=1, description="The regions by name; at least one.")
    services: dict[Name, ServiceSpec] = Field(default_factory=dict, description="The services by name.")
    traffic: TrafficSpec | None = Field(
        default=None, description="One DNS name for all regions, and how its answers change; without it, none."
    )
    notify: dict[Name, HookSpec] = Field(
        default_factory=dict, description="Webhooks by name, which are told of what du-infra decides."
    )

    @model_validator(mode="after")
    def _parts_fit_together(self) -> Self:
        for complaint in cross_complaints(self.model_dump(mode="json")):
            raise PydanticCustomError(CROSS_ERROR, "{words}", {"words": complaint.message})
        return self
