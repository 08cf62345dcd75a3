"""The provider's name in fleet.yaml → its driver."""

from __future__ import annotations

from du_infra.errors import SpecError
from du_infra.pool.driver import Provider


def provider_for(name: str) -> Provider:
    """The driver of provider ``name``. Raises SpecError for a provider that has none."""
    if name == "lxd":
        from du_infra.pool.lxd import LxdProvider

        return LxdProvider()
    raise SpecError(f"there is no driver for provider {name}", todo="use provider: lxd")
