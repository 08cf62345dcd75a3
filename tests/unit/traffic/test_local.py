"""gdnsd as a process of this machine, and the backend by fleet.yaml's word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from du_infra.errors import NotReady, SpecError
from du_infra.progress import silent
from du_infra.spec.traffic import TrafficSpec
from du_infra.traffic import ask
from du_infra.traffic.connect import connect
from du_infra.traffic.gdnsd import local
from du_infra.traffic.gdnsd.setup import Server
from tests.unit.traffic.gdnsd_bed import NAME, free_port, need_gdnsd, record


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    need_gdnsd()
    one = local.here(tmp_path / "gdnsd", port=free_port())
    yield one
    local.stop(one)


def spec(**more: object) -> TrafficSpec:
    return TrafficSpec.model_validate({"zone": "gtm.example.com", "record": "www", **more})


def token() -> str:
    return "of-the-test"


def test_it_is_started_once_with_what_was_written_and_ended_whoever_answers_by_then(server: Server) -> None:
    backend = connect(spec(), [server], token, silent)
    with pytest.raises(NotReady):
        local.start(server)
    backend.write(record(25, 75), None)
    assert local.start(server)
    assert not local.start(server)
    backend.write(record(50, 50), record(25, 75))
    wanted, can = record(50, 50), backend.capabilities()
    assert ask.verify(wanted, backend.servers(), can, zone="gtm.example.com")[0].ok
    assert local.stop(server)
    assert not local.stop(server)
    assert ask.verify(wanted, backend.servers(), can, zone="gtm.example.com")[0].words == ("does not answer",)


def test_the_backend_is_the_one_that_fleet_yaml_names(tmp_path: Path) -> None:
    gdnsd = connect(spec(), [local.here(tmp_path, "192.0.2.53"), local.here(tmp_path, "2001:db8::53")], token, silent)
    assert gdnsd.servers() == ["192.0.2.53:53", "[2001:db8::53]:53"]
    with pytest.raises(SpecError, match="no server yet"):
        connect(spec(), [], token, silent)
    route53 = connect(spec(backend="route53", route53={"health_checks": {"fra": "id"}}), [], token, silent)
    assert route53.capabilities().health
    assert not connect(spec(backend="hetzner"), [], token, silent).capabilities().weights
    assert spec().name == NAME
