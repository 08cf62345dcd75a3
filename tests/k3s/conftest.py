"""The stand-in is built from nothing in some minutes, so its tests run when they are asked for: `DU_K3S=1`."""

from __future__ import annotations

from tests.k3s.wanted import WANTED

_TESTS = [
    "test_standin.py",
    "test_two_servers.py",
    "test_driver.py",
    "test_external.py",
    "test_region.py",
    "test_roles.py",
    "test_day2.py",
    "test_services.py",
    "test_gitops.py",
    "test_copies.py",
]

collect_ignore = [] if WANTED else _TESTS
