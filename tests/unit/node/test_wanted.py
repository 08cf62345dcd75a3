"""The wanted state: what is taken, and what is refused with the field's name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from du_node.errors import NodeError
from du_node.rollout import Rollout
from du_node.wanted import parse

DIGEST = "sha256:" + "a" * 64


def text(**changes: Any) -> str:
    """A wanted state with one service, changed."""
    one = {
        "name": "hello",
        "release": "v1-1a2b3c4d",
        "tag": "v1",
        "image": f"registry.local:5000/hello@{DIGEST}",
        "digest": DIGEST,
        "port": 8080,
        "ready": "/readyz",
        "host": None,
        "path": "/",
        "env": {},
        "command": [],
        "memory_mb": None,
        "start_timeout": 60,
        "stop_grace": 10,
    }
    return wrap({**one, **changes})


def wrap(*services: object, **changes: object) -> str:
    whole = {"version": 1, "fleet": "demo", "region": "home", "node": "n1", "config": "c1", "services": services}
    return json.dumps({**whole, **changes})


def test_a_whole_service_is_read() -> None:
    want = parse(text(host="WWW.example.com", path="/api/", memory_mb=64, env={"B": "2", "A": "1"}, command=["x"]))
    (service,) = want.services
    assert (want.fleet, want.region, want.node, want.config) == ("demo", "home", "n1", "c1")
    assert service.route.key == ("www.example.com", "/api")
    assert service.env == (("A", "1"), ("B", "2"))
    assert (service.memory_mb, service.command) == (64, ("x",))


@pytest.mark.parametrize(
    "change",
    [
        {"env": {"A": "2"}},
        {"command": ["y"]},
        {"memory_mb": 65},
        {"path": "/x"},
        {"host": "a.example"},
        {"ready": "/x"},
        {"port": 81},
        {"stop_grace": 11},
        {"cpus": 0.5},
        {"volumes": {"data": "/var/lib/app"}},
        {"secrets": {"KEY": "0123456789abcdef"}},
    ],
)
def test_every_setting_of_the_container_or_its_route_changes_the_config_hash(change: dict[str, Any]) -> None:
    assert parse(text(**change)).services[0].config != parse(text()).services[0].config


@pytest.mark.parametrize("change", [{"start_timeout": 5}, {"rollout": {"observe": 9}}, {"cpus": 0}, {"volumes": {}}])
def test_what_only_concerns_the_way_there_does_not_change_the_config_hash(change: dict[str, Any]) -> None:
    assert parse(text(**change)).services[0].config == parse(text()).services[0].config


def test_a_release_from_before_these_settings_keeps_its_hash() -> None:
    assert parse(text(env={"A": "1"}, command=["x"], memory_mb=64)).services[0].config == "85694f6826c207a3"


def test_limits_volumes_and_secrets_are_read() -> None:
    more = {"cpus": 0.5, "volumes": {"data": "/var/lib/app"}, "secrets": {"B": "0" * 16, "A_KEY": "1" * 16}}
    (service,) = parse(text(**more)).services
    assert service.cpus == 0.5
    assert service.volumes == (("data", "/var/lib/app"),)
    assert service.secrets == (("A_KEY", "1" * 16), ("B", "0" * 16))


def test_a_rollout_is_read_and_what_is_missing_has_its_default() -> None:
    (plain,) = parse(text()).services
    (some,) = parse(text(rollout={"canary": [5, 25, 100], "observe": 30, "hold": True, "cut_after": None})).services
    assert plain.rollout == Rollout()
    assert plain.rollout.cut_after == 30.0
    assert some.rollout == Rollout(canary=(5, 25), observe=30.0, hold=True, cut_after=None)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"name": "Hello"}, "service"),
        ({"name": None}, "name must be a text"),
        ({"image": "registry.local:5000/hello:v1"}, "image is malformed"),
        ({"image": f"--privileged@{DIGEST}"}, "image is malformed"),
        ({"digest": "sha256:" + "b" * 64}, "does not end in its digest"),
        ({"port": 0}, "port must be 1 to 65535"),
        ({"port": True}, "port must be a whole number"),
        ({"port": "80"}, "port must be a whole number"),
        ({"path": "/a;b"}, "path"),
        ({"host": "a b"}, "host"),
        ({"ready": "readyz"}, "ready is malformed"),
        ({"ready": "/x\r\nHost: y"}, "ready is malformed"),
        ({"env": {"A": 1}}, "env 'A'"),
        ({"env": {"A=B": "1"}}, "env 'A=B'"),
        ({"env": {"PATH": "a\nb"}}, "env PATH"),
        ({"env": ["A"]}, "env must be an object"),
        ({"command": "x"}, "command must be a list"),
        ({"command": [1]}, "command must be a list of texts"),
        ({"release": 'v1"'}, "release"),
        ({"tag": "v 1"}, "tag is malformed"),
        ({"memory_mb": -1}, "memory_mb"),
        ({"start_timeout": 0}, "start_timeout"),
        ({"cpus": -1}, "cpus must be a number from 0 to 1024"),
        ({"cpus": True}, "cpus must be a number"),
        ({"volumes": {"data": "var"}}, "volumes 'data'"),
        ({"volumes": {"data": "/a:/b"}}, "volumes 'data'"),
        ({"volumes": {"data": "/a/../b"}}, "volumes 'data'"),
        ({"volumes": {"../x": "/a"}}, "volumes '../x'"),
        ({"secrets": {"a/b": "0" * 16}}, "secrets 'a/b'"),
        ({"secrets": {"A": "s3cret!"}}, "secrets 'A'"),
        ({"rollout": []}, "rollout must be an object"),
        ({"rollout": {"hold": "no"}}, "rollout: hold must be true or false"),
        ({"rollout": {"canary": [25, 5]}}, "canary must be growing percentages"),
        ({"rollout": {"canary": [0]}}, "canary must be growing percentages"),
        ({"rollout": {"canary": ["5"]}}, "canary must be growing percentages"),
        ({"rollout": {"observe": "30s"}}, "observe must be a number"),
        ({"rollout": {"observe": float("nan")}}, "observe must be a number"),
        ({"rollout": {"warm_up": "x"}}, "warm_up is malformed"),
        ({"rollout": {"passes": 0}}, "passes must be 1 to 100"),
        ({"rollout": {"max_latency": 0.5}}, "max_latency must be a number"),
        ({"rollout": {"cut_after": -1}}, "cut_after must be a number"),
    ],
)
def test_a_bad_field_is_named(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(NodeError) as caught:
        parse(text(**changes))
    assert word in caught.value.what
    assert (caught.value.kind, caught.value.exit_code) == ("bad-wanted", 2)


@pytest.mark.parametrize("bad", ["", "[]", "{", '{"version": 2}', '{"version": 1}', wrap("x"), wrap(services={})])
def test_what_is_no_wanted_state_is_refused(bad: str) -> None:
    with pytest.raises(NodeError):
        parse(bad)


def test_two_services_at_one_place_are_refused() -> None:
    one = json.loads(text())["services"][0]
    with pytest.raises(NodeError, match="same host and path: any host/"):
        parse(wrap(one, {**one, "name": "other"}))
    with pytest.raises(NodeError, match="same name"):
        parse(wrap(one, {**one, "path": "/x"}))


def test_values_of_the_environment_do_not_show_when_a_service_is_printed() -> None:
    assert "s3cret" not in repr(parse(text(env={"KEY": "s3cret"})))
