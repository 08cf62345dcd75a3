"""du-infra: deployment units on one small VM, on several, and in many regions."""

from du_infra._version import __version__

__all__ = ["__version__"]
