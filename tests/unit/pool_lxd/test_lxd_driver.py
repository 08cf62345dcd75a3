"""The pure parts of the LXD driver: the image's name, what an instance is, and its host key."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.pool.lxd import LxdProvider
from du_infra.pool.lxd import recipe as recipes
from du_infra.pool.lxd.machines import machine
from du_infra.pool.lxd.network import config, route_in_the_way
from du_infra.pool.lxd.provider import parse_host_key
from du_infra.pool.lxd.recipe import Recipe
from du_infra.pool.lxd.site import HERE
from du_infra.pool.lxd.teardown import our_images, ours

RECIPE = Recipe("amd64", "198.18.0.1")
BLOB = base64.b64encode(b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(32)).decode()


def test_an_image_is_named_by_its_recipe() -> None:
    assert RECIPE.alias == f"du-node-{RECIPE.digest}"
    assert Recipe("amd64", "198.18.0.1").alias == RECIPE.alias


def test_anything_that_decides_the_image_changes_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert replace(RECIPE, dns="198.18.0.9").alias != RECIPE.alias
    assert replace(RECIPE, architecture="arm64").alias != RECIPE.alias
    assert replace(RECIPE, runtime="docker").alias != RECIPE.alias
    before = RECIPE.alias
    monkeypatch.setattr(recipes, "PACKAGES", (*recipes.PACKAGES, "vim"))
    assert RECIPE.alias != before


def test_an_image_holds_the_runtime_of_its_region_and_no_other() -> None:
    docker = replace(RECIPE, runtime="docker")
    assert "docker.io" in docker.packages
    assert "docker.io" not in RECIPE.packages
    assert (sorted(docker.binaries), sorted(RECIPE.binaries)) == (["nginx"], ["nerdctl", "nginx"])


def test_a_region_with_k3s_needs_no_image_of_its_own() -> None:
    assert replace(RECIPE, runtime="k3s").alias == RECIPE.alias


def test_an_instance_shows_its_addresses_and_its_owner() -> None:
    labels = {"user.du-infra.owner": "me", "user.du-infra.region": "home", "user.du-infra.vip": "198.18.1.1"}
    devices = {"eth0": {"type": "nic", "ipv4.address": "198.18.1.2"}, "root": {"type": "disk"}}
    seen = machine({"name": "demo-home-1", "status": "Running", "config": labels, "devices": devices})
    assert (seen.status, seen.owner, seen.region) == ("running", "me", "home")
    assert seen.addresses == ("198.18.1.2", "198.18.1.1")


def test_an_instance_of_somebody_else_has_no_owner() -> None:
    seen = machine({"name": "web", "status": "Stopped", "config": {}, "devices": {}})
    assert (seen.owner, seen.addresses) == ("", ())
    assert ours([{"name": "web", "config": {}}, {"name": "a", "config": {"user.du-infra.owner": "x"}}]) == ["a"]


def test_our_images_are_known_by_what_they_say_and_not_by_an_alias_that_anybody_can_give() -> None:
    properties = json.loads(recipes.metadata(RECIPE.alias, "x86_64", 0))["properties"]
    unnamed = {"fingerprint": "a", "aliases": [], "properties": properties}
    theirs = {"fingerprint": "b", "aliases": [{"name": "du-node-x"}], "properties": {"description": "mine"}}
    assert our_images([unnamed, theirs, {"fingerprint": "c", "aliases": [], "properties": {}}]) == ["a"]


@pytest.mark.parametrize(
    ("status", "actions"), [("Running", []), ("Stopped", ["start"]), ("Error", ["start"]), ("Frozen", ["unfreeze"])]
)
def test_whatever_does_not_run_is_brought_to_run(status: str, actions: list[str]) -> None:
    told: list[str] = []

    def query(path: str, method: str = "GET", data: dict[str, str] | None = None) -> dict[str, str]:
        told.extend([data["action"]] if data else [])
        return {"status": status}

    provider = LxdProvider()
    vars(provider)["lxd"] = SimpleNamespace(query=query)
    provider.start("demo-home-1")
    assert told == actions


def test_a_whole_host_key_is_taken_without_its_comment() -> None:
    assert parse_host_key(f"ssh-ed25519 {BLOB} root@node\n".encode()) == f"ssh-ed25519 {BLOB}"


@given(st.integers(0, len(BLOB) - 1))
def test_a_host_key_that_is_still_being_written_is_no_key_yet(length: int) -> None:
    assert parse_host_key(f"ssh-ed25519 {BLOB[:length]}".encode()) == ""


@given(st.binary())
def test_no_junk_is_taken_for_a_host_key(junk: bytes) -> None:
    assert parse_host_key(junk) == ""


def test_the_bridge_keeps_to_the_range_set_aside_for_tests() -> None:
    wanted = config(HERE)
    assert wanted["ipv4.address"] == "198.18.0.1/16"
    assert wanted["ipv6.address"] == "none"
    assert "registry.local/198.18.0.1" in wanted["raw.dnsmasq"]


@pytest.mark.parametrize("dst", ["198.18.0.0/15", "198.18.0.0/16", "198.18.7.0/24", "198.18.0.1", "198.0.0.0/8"])
def test_a_network_with_our_addresses_is_in_the_way(dst: str) -> None:
    assert route_in_the_way([{"dst": "10.0.0.0/8", "dev": "a"}, {"dst": dst, "dev": "tun0"}], HERE)


@pytest.mark.parametrize("dst", ["default", "128.0.0.0/1", "192.0.0.0/3", "198.20.0.0/16"])
def test_the_rest_of_the_world_is_not_even_when_a_vpn_has_it_in_parts(dst: str) -> None:
    assert route_in_the_way([{"dst": dst, "dev": "tun0"}, {"dst": "198.18.0.0/16", "dev": HERE.bridge}], HERE) is None
