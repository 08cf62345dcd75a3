"""One of each backend, on something that answers for it on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from du_infra.progress import silent
from du_infra.traffic.driver import Backend
from du_infra.traffic.hetzner.backend import Hetzner
from du_infra.traffic.route53.backend import Route53
from tests.unit.traffic import hetzner_fake
from tests.unit.traffic.gdnsd_bed import NAME, ZONE, Daemon, backend, need_gdnsd, record


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    """The address of moto's server, which answers as Amazon's API would."""
    from moto.route53.models import ChangeList
    from moto.server import ThreadedMotoServer

    # moto refuses a CREATE that it has seen before, even when the set was deleted since; Route 53 has no such memory.
    ChangeList.__contains__ = lambda self, item: False  # type: ignore[method-assign]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    server.stop()


@pytest.fixture
def aws(moto: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """boto3's client for it, with credentials where boto3 looks for them."""
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "of-the-test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of-the-test")
    return boto3.client("route53", region_name="us-east-1", endpoint_url=moto)


@pytest.fixture
def zone_id(aws: Any) -> str:
    found = aws.create_hosted_zone(Name=ZONE.zone, CallerReference=str(id(aws)))
    return str(found["HostedZone"]["Id"]).rpartition("/")[2]


@pytest.fixture
def route53(moto: str, zone_id: str) -> Route53:
    return Route53(ZONE.zone, NAME, silent, zone_id=zone_id, endpoint_url=moto)


@pytest.fixture
def fake() -> Iterator[hetzner_fake.Fake]:
    with hetzner_fake.running(hetzner_fake.Fake(ZONE.zone)) as one:
        yield one


@pytest.fixture
def hetzner(fake: hetzner_fake.Fake) -> Hetzner:
    return Hetzner(ZONE.zone, NAME, hetzner_fake.TOKEN, endpoint=fake.endpoint, poll=0.01)


@pytest.fixture
def gdnsd(tmp_path: Path) -> Iterator[Backend]:
    """With its daemon started by the first test that writes: there is no configuration before."""
    need_gdnsd()
    daemon = Daemon(tmp_path)
    yield backend(daemon)
    daemon.stop()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A gdnsd that answers 25 to 75, with hel drained."""
    need_gdnsd()
    one = Daemon(tmp_path)
    backend(one).write(record(25, 75), None)
    one.start()
    yield one
    one.stop()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """Two of them, of one zone."""
    need_gdnsd()
    two = Daemon(tmp_path, "ns1"), Daemon(tmp_path, "ns2")
    backend(*two).write(record(25, 75), None)
    for one in two:
        one.start()
    yield two
    for one in two:
        one.stop()


@pytest.fixture(params=["gdnsd", "route53", "hetzner"])
def any_backend(request: pytest.FixtureRequest) -> Backend:
    one: Backend = request.getfixturevalue(request.param)
    return one
