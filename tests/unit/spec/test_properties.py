"""What holds for any text and any fleet."""

from __future__ import annotations

import contextlib
import copy
import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from du_infra.errors import SpecError
from du_infra.spec import FleetSpec, Problem, load_spec
from du_infra.spec.complaints import Complaint, Lines, to_problem
from du_infra.spec.load import check_text
from du_infra.spec.notify import NOTE_KINDS
from du_infra.spec.words import _unforeseen

SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))

PIECES = st.sampled_from(
    [
        *"[]{}:,-?&*!|>'\"%@`#\n\t .~1a\\\x85\u2028\ufeff😀",
        *("fleet", "regions", "services", "home", "provider", "lxd", "pool", "nodes", "env", "image", "port"),
        *(": ", "\n  ", "\n    ", "- ", "<<", "&a ", "*a", "!!str ", "!x ", "---\n", "...\n", "%YAML 1.1\n"),
        *("null", "true", "1e5", "0x1", "0o7", ".inf", ".nan", '"\\ud800"', '"\\0"', '"\\UFFFFFFFF"'),
    ]
)
JUNK = st.one_of(st.text(max_size=60), st.lists(PIECES, max_size=40).map("".join))

NAMES = st.from_regex(r"[a-z]([a-z0-9-]{0,18}[a-z0-9])?", fullmatch=True)
ITEMS = st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"]), max_size=8)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ITEMS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ITEMS, inner, max_size=3),
    max_leaves=6,
)


def told(text: str) -> tuple[FleetSpec | None, list[Problem], list[Complaint]]:
    fleet, complaints = check_text(text)
    lines = Lines(text)
    return fleet, [to_problem("fleet.yaml", complaint, lines) for complaint in complaints], complaints


def assert_places_lie_inside(text: str, problems: list[Problem]) -> None:
    rows = text.split("\n")
    for problem in problems:
        if problem.line is not None and problem.column is not None:
            assert 1 <= problem.line <= len(rows)
            assert 1 <= problem.column <= len(rows[problem.line - 1]) + 1
        assert str(problem).isprintable(), str(problem)


RELEASES = st.fixed_dictionaries(
    {},
    optional={
        "strategy": st.just("blue-green"),
        "observe": st.sampled_from(["0s", "60s"]),
        "canary": st.lists(st.integers(1, 100), unique=True, max_size=4).map(sorted),
        "sticky": st.booleans(),
        "warm_up": st.sampled_from(["/warm-up"]) | st.none(),
        "passes": st.integers(1, 100),
        "max_errors": st.sampled_from(["0%", "1%", "0.5%"]),
        "max_latency": st.floats(1, 1000) | st.integers(1, 1000),
        "cut_after": st.sampled_from(["never", "30s"]),
        "batch": st.integers(1, 50),
    },
)

AUTOSCALE = st.fixed_dictionaries(
    {"rps": st.floats(0.1, 1000) | st.integers(1, 1000)},
    optional={
        "cpu": st.sampled_from(["0.5%", "60%", "100%"]) | st.none(),
        "p95": st.sampled_from(["1ms", "200ms", "1h"]) | st.none(),
        "up_after": st.sampled_from(["0s", "1m"]),
        "tolerance": st.sampled_from(["0%", "50%"]),
    },
)
HOOKS = st.fixed_dictionaries(
    {"url": st.sampled_from([{"file": "hooks/ops"}, {"env": "OPS"}])},
    optional={
        "secret": st.just({"env": "KEY"}) | st.none(),
        "kinds": st.lists(st.sampled_from(NOTE_KINDS), min_size=1, max_size=3),
    },
)
SECRETS = st.sampled_from([{"file": "secrets/a"}, {"env": "A"}, {"file": "/etc/a b"}])


@st.composite
def services(draw: st.DrawFn) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for index, name in enumerate(draw(st.lists(NAMES, max_size=4, unique=True))):
        service: dict[str, Any] = {"image": draw(st.sampled_from(["hello", "registry.local:5000/a/b"]))}
        service |= {"port": draw(st.integers(1, 65535)), "path": f"/{index}"}
        optional: dict[str, st.SearchStrategy[Any]] = {
            "tag": st.sampled_from(["v1", "1.10", "2024-01-01", "no"]),
            "ready": st.sampled_from(["/", "/healthz?a=b"]),
            "host": st.sampled_from(["localhost", "www.example.com"]) | st.none(),
            "env": st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]*", fullmatch=True), ITEMS, max_size=3),
            "command": st.lists(ITEMS, max_size=3),
            "memory": st.sampled_from(["8m", "1g"]) | st.none(),
            "cpus": st.sampled_from([0.01, 0.5, 1]) | st.none(),
            "replicas": st.fixed_dictionaries({}, optional={"min": st.just(1), "cpu": st.sampled_from(["1%", "70%"])}),
            "volumes": st.dictionaries(NAMES, st.just("/data"), max_size=1),
            "secrets": st.dictionaries(st.sampled_from(["A", "b.c", "_d-e"]), SECRETS, max_size=2),
            "start_timeout": st.sampled_from(["1ms", "60s", "1h"]),
            "stop_grace": st.sampled_from(["0s", "2m"]),
            "before": st.lists(ITEMS, max_size=3),
            "before_timeout": st.sampled_from(["1s", "1h"]),
            "release": RELEASES,
        }
        made[name] = service | draw(st.fixed_dictionaries({}, optional=optional))
    return made


K3S = st.fixed_dictionaries(
    {},
    optional={
        "version": st.sampled_from(["v1.34.4+k3s1", "v1.32.0-rc1+k3s2", "v1.35.12+k3s1-standin"]),
        "from": st.sampled_from(["k3s-files", "/srv/k3s v1"]),
        "servers": st.sampled_from([1, 3]),
        "metrics_server": st.booleans(),
    },
)


def traffic(regions: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    server = st.fixed_dictionaries(
        {"address": st.sampled_from(["203.0.113.7", "2001:db8::1"])}, optional={"port": st.integers(1, 65535)}
    )
    optional: dict[str, st.SearchStrategy[Any]] = {
        "ttl": st.sampled_from(["1s", "30s"]),
        "gdnsd": st.fixed_dictionaries(
            {}, optional={"servers": st.lists(server, max_size=2), "regions": st.just(regions[:1])}
        ),
        "addresses": st.dictionaries(st.sampled_from(regions), st.just("203.0.113.9"), max_size=1),
        "weights": st.fixed_dictionaries({name: st.integers(1, 100) for name in regions}) | st.none(),
        "waves": st.just([[name] for name in regions]) | st.just([regions]) | st.none(),
        "canary": st.lists(st.integers(1, 100), unique=True, max_size=4).map(sorted),
        "soak": st.sampled_from(["0s", "5m"]),
        "hold": st.sampled_from(["4s", "1h"]),
        "capacity": st.dictionaries(st.sampled_from(regions), st.floats(0.5, 1e6), max_size=2),
        "max_shift": st.sampled_from(["1%", "100%"]),
        "freeze": st.booleans(),
    }
    names = {"zone": st.just("example.com"), "record": st.sampled_from(["www", "@", "a.b"])}
    return st.fixed_dictionaries(names, optional=optional)


@st.composite
def fleets(draw: st.DrawFn) -> dict[str, Any]:
    known = draw(services())
    subset = st.lists(st.sampled_from(sorted(known)), unique=True) if known else st.just([])
    optional: dict[str, st.SearchStrategy[Any]] = {
        "pool": st.fixed_dictionaries(
            {}, optional={"nodes": st.integers(1, 50), "size": st.sampled_from(["1c1g", "4c16g"])}
        )
        | st.fixed_dictionaries({"max": st.integers(1, 50), "autoscale": AUTOSCALE}),
        "heal": st.fixed_dictionaries(
            {},
            optional={
                "enabled": st.booleans(),
                "dead_after": st.sampled_from(["1s", "2m"]),
                "max_share": st.sampled_from(["0%", "34%", "100%"]),
                "per_hour": st.integers(0, 50),
            },
        ),
        "services": subset | st.none(),
        "admin_cidrs": st.lists(st.sampled_from(["203.0.113.0/24", "2001:db8::/32", "198.18.0.7"])),
    }
    other = st.fixed_dictionaries(
        {"provider": st.just("lxd")}, optional={**optional, "runtime": st.sampled_from(["containerd", "docker"])}
    )
    k3s = st.fixed_dictionaries(
        {"provider": st.just("lxd"), "runtime": st.just("k3s")}, optional={**optional, "k3s": K3S}
    )
    region = other | k3s
    regions = draw(st.dictionaries(NAMES, region, min_size=1, max_size=3))
    fleet: dict[str, Any] = {"fleet": draw(NAMES), "regions": regions, "services": known}
    hooks = st.dictionaries(NAMES, HOOKS, max_size=2)
    return fleet | draw(st.fixed_dictionaries({}, optional={"traffic": traffic(sorted(regions)), "notify": hooks}))


def slots(part: Any) -> list[tuple[Any, Any]]:
    """Every place (container, key) inside ``part`` where a value stands."""
    pairs = list(part.items()) if isinstance(part, dict) else list(enumerate(part)) if isinstance(part, list) else []
    return [(part, key) for key, _ in pairs] + [slot for _, inner in pairs for slot in slots(inner)]


@SETTINGS
@given(JUNK)
def test_any_text_is_a_fleet_or_a_list_of_problems_inside_the_file(text: str) -> None:
    fleet, problems, _ = told(text)
    assert (fleet is None) == bool(problems)
    assert_places_lie_inside(text, problems)


@SETTINGS
@given(JUNK.map(lambda text: text.encode("utf-8", "replace")) | st.binary(max_size=60))
def test_any_file_loads_or_raises_a_spec_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_bytes(content)
    with contextlib.suppress(SpecError):
        assert isinstance(load_spec(path), FleetSpec)


@SETTINGS
@given(fleets())
def test_a_right_fleet_loads_and_comes_back_as_it_was(wanted: dict[str, Any]) -> None:
    fleet, problems, _ = told(json.dumps(wanted, indent=1))  # JSON is YAML
    assert problems == []
    assert fleet is not None
    again, _, _ = told(json.dumps(fleet.model_dump(mode="json")))
    assert again == fleet
    assert fleet.model_dump(mode="json", exclude_unset=True) == wanted


@SETTINGS
@given(fleets(), st.data())
def test_one_changed_value_is_explained_in_our_own_words_and_placed(
    wanted: dict[str, Any], data: st.DataObject
) -> None:
    broken = copy.deepcopy(wanted)
    container, key = data.draw(st.sampled_from(slots(broken)))
    if isinstance(container, dict) and data.draw(st.booleans()):
        container[data.draw(ITEMS)] = container.pop(key)
    else:
        container[key] = data.draw(ANYTHING)
    text = json.dumps(broken, indent=1)
    fleet, problems, complaints = told(text)
    assert (fleet is None) == bool(problems)
    assert_places_lie_inside(text, problems)
    foreign = _unforeseen({"type": "", "loc": (), "msg": "", "input": None}, "")  # type: ignore[typeddict-item]
    assert not [complaint for complaint in complaints if complaint.message.startswith(foreign)]
    assert not [complaint for complaint in complaints if "Input should" in complaint.message]
