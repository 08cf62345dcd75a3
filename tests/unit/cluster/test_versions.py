"""Versions of K3s: which comes before which."""

from __future__ import annotations

from itertools import pairwise

import pytest

from du_infra.cluster.versions import broken_migration, highest, lowest, minor, next_version, parse
from du_infra.control.cluster.observe import plain_version

ORDER = (
    "v1.33.9+k3s1",
    "v1.34.0-rc1+k3s1",
    "v1.34.0-rc2+k3s1",
    "v1.34.0-rc10+k3s1",
    "v1.34.0-rc10+k3s2",
    "v1.34.0+k3s1",
    "v1.34.0+k3s2",
    "v1.34.1-rc1+k3s1",
    "v1.34.1+k3s1",
)


@pytest.mark.parametrize(("before", "after"), [*pairwise(ORDER)])
def test_a_candidate_comes_before_its_release_and_after_the_release_before(before: str, after: str) -> None:
    assert parse(before) < parse(after)
    assert (lowest((after, before)), highest((after, before))) == (before, after)


def test_a_candidate_is_of_its_minor_and_not_of_none() -> None:
    assert minor("v1.34.0-rc1+k3s1") == 34
    assert next_version("v1.33.9+k3s1", "v1.35.0+k3s1", ["v1.34.0-rc1+k3s1"]) == "v1.34.0-rc1+k3s1"


@pytest.mark.parametrize("text", ["", "latest", "v1.34", "v1.34.4+k3s1-own", "v1.34.4-beta1+k3s1"])
def test_what_is_no_version_is_older_than_any(text: str) -> None:
    assert parse(text) < parse(ORDER[0])


def test_a_candidate_of_a_version_that_cannot_move_to_etcd_cannot_either() -> None:
    assert broken_migration("v1.32.5-rc1+k3s1") == broken_migration("v1.32.5+k3s1") != ""
    assert broken_migration("v1.32.6-rc1+k3s1") == ""


@pytest.mark.parametrize("release", ORDER)
def test_what_somebody_adds_to_a_release_is_left_out_and_a_candidate_stays_one(release: str) -> None:
    assert plain_version(f"{release}-own") == plain_version(release) == release
