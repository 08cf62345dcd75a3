"""The local cloud: LXD system containers as small VMs on this machine."""

from du_infra.pool.lxd.provider import LxdProvider

__all__ = ["LxdProvider"]
