"""Stores that several machines share, for any unit test that asks for one."""

from tests.shared_store import server, shared

__all__ = ["server", "shared"]
