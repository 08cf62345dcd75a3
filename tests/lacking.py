"""What this machine lacks for a test: then the test is skipped, and in CI, which must have everything, it fails."""

from __future__ import annotations

import os

import pytest


def without(reason: str) -> None:
    """Let the test that runs go no further where there is a ``reason``; "" is none."""
    if reason and os.environ.get("CI") == "true":
        pytest.fail(f"skipped in CI, which must have everything: {reason}", pytrace=False)
    if reason:
        pytest.skip(reason)
