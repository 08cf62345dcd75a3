"""The provider's name in fleet.yaml → its driver."""

from __future__ import annotations

from du_infra.errors import SpecError
from du_infra.pool.driver import Provider


def provider_for(name: str, runtime: str) -> Provider:
    """The driver of provider ``name``, for machines with ``runtime``. Raises SpecError for one that has none."""
    if name == "lxd":
        from du_infra.pool.lxd import LxdProvider

        return LxdProvider(runtime=runtime)
    raise SpecError(f"there is no driver for provider {name}", todo="use provider: lxd")
