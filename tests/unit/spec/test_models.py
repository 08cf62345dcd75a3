"""The models by themselves: defaults, typed values, and rules that hold without a file too."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from du_infra import spec
from du_infra.errors import SpecError
from du_infra.spec import (
    CutAfter,
    Duration,
    FleetSpec,
    Memory,
    Percent,
    PoolSpec,
    RegionSpec,
    ReleaseSpec,
    ServiceSpec,
    Size,
    TrafficSpec,
    region_of,
    services_of,
)

HOME = RegionSpec(provider="lxd")
HELLO = ServiceSpec(image="hello", port=8080)


def fleet(**parts: Any) -> FleetSpec:
    return FleetSpec(**({"fleet": "demo", "regions": {"home": HOME}} | parts))


def test_the_public_names_are_these() -> None:
    assert set(spec.__all__) == {
        *("AutoscaleSpec", "Checked", "CutAfter", "Duration", "FleetSpec", "HealSpec", "HookSpec", "K3sSpec"),
        *("Memory", "Percent", "PoolSpec", "Problem"),
        *("RegionSpec", "ReleaseSpec", "ReplicasSpec", "ServiceSpec", "Size", "TrafficSpec", "check_spec"),
        *("json_schema", "load_spec", "region_of", "services_of", "spec_error"),
    }
    assert all(hasattr(spec, name) for name in spec.__all__)


def test_defaults_are_those_of_the_manual() -> None:
    assert (HOME.runtime, HOME.gateway, HOME.services, HOME.admin_cidrs) == ("containerd", "nginx", None, ())
    assert (HOME.pool.wanted, HOME.pool.size, HOME.pool.cpus, HOME.pool.memory_mb) == (1, "1c1g", 1, 1024)
    assert (HELLO.tag, HELLO.ready, HELLO.host, HELLO.path) == ("latest", "/readyz", None, "/")
    assert (HELLO.env, HELLO.command, HELLO.memory, HELLO.memory_mb) == ({}, (), None, None)
    assert (HELLO.start_timeout.seconds, HELLO.stop_grace.seconds) == (60, 10)
    assert fleet().state == "sqlite:///.du/state.db"


def test_a_release_is_watched_for_half_a_minute_and_goes_node_by_node() -> None:
    found = HELLO.release
    assert (found.strategy, found.observe.seconds, found.canary, found.sticky) == ("blue-green", 30, (), False)
    assert (found.warm_up, found.passes, found.max_errors.points, found.max_latency) == (None, 3, 1.0, 1.5)
    assert (found.min_requests, found.max_restarts, found.cut_after.seconds) == (50, 0, 30)
    assert (found.batch, found.max_unavailable) == (1, 0)
    assert (HELLO.before, HELLO.before_timeout.seconds) == ((), 300)


@pytest.mark.parametrize(("text", "seconds"), [("never", None), ("0s", 0), ("2m", 120)])
def test_connections_are_cut_after_a_time_or_never(text: str, seconds: float | None) -> None:
    assert CutAfter(text).seconds == seconds


@pytest.mark.parametrize(("text", "points"), [("0%", 0), ("1%", 1), ("0.25%", 0.25), ("100%", 100)])
def test_a_share_knows_its_percentage_points(text: str, points: float) -> None:
    assert Percent(text).points == points


@pytest.mark.parametrize("text", ["", "1", "101%", "-1%", "1.234%", "1 %", "%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        Percent(text)


@pytest.mark.parametrize("canary", [(5, 5), (25, 5), (0,), (101,)])
def test_canary_shares_grow_and_stay_within_everything(canary: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        ReleaseSpec(canary=canary)


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("0s", 0), ("60s", 60), ("2m", 120), ("1h", 3600)])
def test_a_duration_knows_its_seconds(text: str, seconds: float) -> None:
    assert Duration(text).seconds == seconds


@pytest.mark.parametrize(("text", "mb"), [("8m", 8), ("256m", 256), ("1g", 1024)])
def test_memory_knows_its_mebibytes(text: str, mb: int) -> None:
    assert Memory(text).mb == mb
    assert ServiceSpec(image="hello", port=1, memory=Memory(text)).memory_mb == mb


def test_a_size_knows_cpus_and_memory() -> None:
    assert (Size("2c4g").cpus, Size("2c4g").memory_mb) == (2, 4096)


@pytest.mark.parametrize("text", ["", "60", "1.5s", "-1s", "s", "61m", "60s\n", "٣s", "9" * 5000 + "s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        Duration(text)


@pytest.mark.parametrize("name", ["a", "a1", "a-b", "a" * 20])
def test_names_that_may_be(name: str) -> None:
    assert fleet(fleet=name).fleet == name


@pytest.mark.parametrize("name", ["", "A", "1a", "-a", "a-", "a_b", "a.b", "a" * 21, "a\n", "ä"])
def test_names_that_may_not_be(name: str) -> None:
    with pytest.raises(ValidationError):
        fleet(fleet=name)
    with pytest.raises(ValidationError):
        fleet(regions={name: HOME})
    with pytest.raises(ValidationError):
        fleet(services={name: HELLO})


def test_the_longest_names_still_make_a_host_name() -> None:
    longest = fleet(fleet="f" * 20, regions={"r" * 20: HOME})
    assert len(f"{longest.fleet}-{next(iter(longest.regions))}-{10**9}") <= 63


@pytest.mark.parametrize("image", ["hello", "team/hello", "registry.local:5000/a/b", "a.b/c", "my__app", "a-b.c_d"])
def test_images_that_may_be(image: str) -> None:
    assert ServiceSpec(image=image, port=1).image == image


@pytest.mark.parametrize(
    "image", ["", "Hello", "a:b", "a@sha256:0", "/a", "a/", "a//b", "a b", "-a", "http://a/b", "a\n"]
)
def test_images_that_may_not_be(image: str) -> None:
    with pytest.raises(ValidationError):
        ServiceSpec(image=image, port=1)


@pytest.mark.parametrize(
    "path", ["", "a", "/a b", '/a"', "/a;", "/a{", "/$a", "/a\n", "/a%20", "/a?b", "//", "/./a", "/a/.."]
)
def test_paths_that_could_break_a_gateway_may_not_be(path: str) -> None:
    with pytest.raises(ValidationError):
        ServiceSpec(image="a", port=1, path=path)


@pytest.mark.parametrize(
    "host", ["", "A.b", "a..b", ".a", "a.", "-a.b", "a b", "a;b", "1.2.3.4", "*.a", "a" * 64, "a\n"]
)
def test_hosts_that_may_not_be(host: str) -> None:
    with pytest.raises(ValidationError):
        ServiceSpec(image="a", port=1, host=host)


def test_nothing_is_converted() -> None:
    with pytest.raises(ValidationError):
        PoolSpec(nodes="1")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        PoolSpec(nodes=True)
    with pytest.raises(ValidationError):
        RegionSpec(provider="lxd", services=(1,))  # type: ignore[arg-type]


def test_models_are_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        HOME.pool.nodes = 2  # type: ignore[misc]


def test_a_fleet_made_in_python_is_checked_across_as_well() -> None:
    with pytest.raises(ValidationError, match="there is no service"):
        fleet(regions={"home": RegionSpec(provider="lxd", services=("hello",))})
    with pytest.raises(ValidationError, match="has the same address"):
        fleet(services={"a": HELLO, "b": HELLO})


def test_two_services_at_one_address_in_different_regions_are_fine() -> None:
    regions = {
        "one": RegionSpec(provider="lxd", services=("a",)),
        "two": RegionSpec(provider="lxd", services=("b",)),
    }
    assert len(fleet(regions=regions, services={"a": HELLO, "b": HELLO}).services) == 2


def test_services_of_a_region_are_all_or_those_it_names() -> None:
    other = ServiceSpec(image="hello", port=8080, path="/other")
    regions = {
        "all": HOME,
        "one": RegionSpec(provider="lxd", services=("b",)),
        "none": RegionSpec(provider="lxd", services=()),
    }
    made = fleet(regions=regions, services={"a": HELLO, "b": other})
    assert list(services_of(made, "all")) == ["a", "b"]
    assert services_of(made, "one") == {"b": other}
    assert services_of(made, "none") == {}


def test_an_unknown_region_names_the_one_that_was_meant() -> None:
    with pytest.raises(SpecError, match="there is no region hom") as caught:
        region_of(fleet(), "hom")
    assert caught.value.todo == "did you mean home?"
    with pytest.raises(SpecError) as caught:
        services_of(fleet(), "zzz")
    assert "home" in caught.value.todo


def test_the_values_of_the_environment_are_not_printed_with_a_service() -> None:
    service = ServiceSpec.model_validate({"image": "a/b", "port": 80, "env": {"KEY": "hunter2"}})
    assert "hunter2" not in repr(service)


def test_the_entrance_of_the_world_has_a_name_and_times() -> None:
    found = TrafficSpec(zone="example.com", record="www")
    assert (found.name, found.ttl_seconds, found.backend) == ("www.example.com", 30, "gdnsd")
    assert TrafficSpec(zone="example.com", record="@").name == "example.com"
    assert (found.weights, found.waves, found.canary, found.soak.seconds) == (None, None, (5, 25, 50, 100), 300)
    assert (found.interval.seconds, found.down_after.seconds, found.hold.seconds) == (2, 3, 30)


def test_a_fleet_made_in_python_has_its_waves_checked() -> None:
    with pytest.raises(ValidationError, match="there is no region"):
        fleet(traffic=TrafficSpec(zone="example.com", record="www", waves=(("home",), ("away",))))
