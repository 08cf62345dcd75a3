"""What a cloud must do for du-infra beyond what Terraform does; one driver for each provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from du_infra.pool.room import Room
from du_infra.pool.state import Machine, Network, Registry
from du_infra.progress import Reporter


class Provider(Protocol):
    """A cloud. Every method may raise ToolMissing, EngineFailed or Unreachable."""

    def prepare(self, report: Reporter) -> None:
        """Make ready what must stand before Terraform can run; quick when it stands already."""

    def terraform_env(self) -> Mapping[str, str]:
        """Environment for Terraform: where the API is, who we are."""

    def terraform_vars(self) -> Mapping[str, object]:
        """The provider's own inputs of ``modules/region-pool/<provider>``: the image, for one."""

    def network(self) -> Network:
        """Where nodes and VIPs get their addresses."""

    def giving_out(self, report: Reporter) -> AbstractContextManager[None]:
        """Hold this while machines are looked at and made, so that no two regions get the same address.

        Raises Busy when another holds it for very long.
        """

    def registries(self) -> list[Registry]:
        """Registries that nodes need to be told about; every other one speaks HTTPS."""

    def prepare_images(self, images: Mapping[str, Sequence[str]], report: Reporter) -> None:
        """Have the provider's own registry, if it has one, run and hold what it promises.

        ``images`` maps repositories of the region's services to the tags asked for.
        """

    def connect(self) -> None:
        """Make the provider's API answer, and nothing more; quick. For status and for taking down."""

    def room(self) -> Room | None:
        """The largest machine that can be made; None where Terraform's own plan says what is too large."""

    def machines(self) -> list[Machine]:
        """Every machine the provider has, ours or not."""

    def start(self, name: str) -> None:
        """Start a machine that is stopped."""

    def halt(self, name: str) -> None:
        """Stop a machine at once, as if its power were cut; nothing happens to one that is stopped."""

    def host_key(self, name: str) -> str:
        """The node's public SSH host key ("ssh-ed25519 AAAA…"), read through the provider and never over SSH.

        Raises NotReady when the machine has not made its key in time.
        """
