"""What a cloud must do for du-infra beyond what Terraform does; one driver for each provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from du_infra.pool.state import Machine, Network
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

    def machines(self) -> list[Machine]:
        """Every machine the provider has, ours or not."""

    def start(self, name: str) -> None:
        """Start a machine that is stopped."""

    def host_key(self, name: str) -> str:
        """The node's public SSH host key ("ssh-ed25519 AAAA…"), read through the provider and never over SSH.

        Raises NotReady when the machine has not made its key in time.
        """
