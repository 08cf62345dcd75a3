"""When servers are asked what they answer, and which of their answers count."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from du_infra.control.traffic import dns
from du_infra.control.traffic.dns import Dns
from du_infra.progress import silent
from du_infra.traffic import ask
from du_infra.traffic.state import Endpoint, Record
from du_infra.traffic.verdict import Verdict
from tests.unit.control_traffic.world import FakeDns

WELL = Record("www.example.com", 30, {"a": Endpoint("192.0.2.1", 50), "b": Endpoint("192.0.2.2", 50)})
DEAD = Record("www.example.com", 30, {"a": Endpoint("192.0.2.1", 50), "b": Endpoint("192.0.2.2", 50, up=False)})


class Asked:
    """A Dns on a clock to turn; ``times``: when its servers were asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.times, self.ok = 100.0, list[float](), True
        monkeypatch.setattr(dns, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(ask, "verify", self._verify)
        self.dns = Dns(FakeDns(), "example.com", (), silent)

    def _verify(self, *_: object, **__: object) -> list[Verdict]:
        self.times.append(self.now)
        return [Verdict("127.0.0.1:53", self.ok, () if self.ok else ("gives out b (192.0.2.2), which is down",))]

    def check(self, record: Record, seconds: float) -> list[bool]:
        """Check twice a second for so long; which verdicts were told."""
        told = []
        for _ in range(int(seconds * 2)):
            if checked := self.dns.check(record):
                told += [one.ok for one in checked.verdicts]
            for thread in threading.enumerate():
                if thread.name == "traffic check":
                    thread.join()
            self.now += 0.5
        return told


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    return Asked(monkeypatch)


@pytest.mark.parametrize(("record", "times"), [(WELL, 2), (DEAD, 11)])
def test_servers_are_asked_more_often_while_a_region_is_dead(asked: Asked, record: Record, times: int) -> None:
    assert all(asked.check(record, 60))
    assert abs(len(asked.times) - times) <= 1


def test_what_was_answered_before_a_change_had_settled_is_no_complaint(asked: Asked) -> None:
    asked.dns.write(DEAD, None)
    asked.ok = False
    assert asked.check(DEAD, 4.5) == []
    asked.ok = True
    assert False not in asked.check(DEAD, 20)


def test_what_is_wrong_when_it_has_settled_is_told(asked: Asked) -> None:
    asked.dns.write(DEAD, None)
    asked.ok = False
    told = asked.check(DEAD, 8)
    assert told
    assert not any(told)
