"""The commands, against a real gdnsd and regions that are real sockets on loopback; only SSH is a fake."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import pytest
from click.testing import CliRunner, Result

import du_infra
from du_infra.cli.main import cli
from du_infra.control.decision import Decision
from du_infra.control.loop import ControlLoop
from du_infra.control.minder import Minder
from du_infra.control.traffic import servers, tell
from du_infra.control.traffic.entrance import Entrance
from du_infra.engines import ssh
from du_infra.errors import Refused, SpecError, Unreachable
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.progress import silent
from du_infra.spec import load_spec
from du_infra.traffic.gdnsd import local
from du_node import regions
from tests.unit.node.test_regions import Region
from tests.unit.traffic.gdnsd_bed import free_port, need_gdnsd

NAME = "www.gtm.example.com"
FLEET = """
fleet: demo
regions:
  a: {{provider: lxd}}
  b: {{provider: lxd}}
  c: {{provider: lxd}}
services:
  hello: {{image: registry.local:5000/hello, tag: v1, port: 8080}}
traffic:
  zone: gtm.example.com
  record: www
  ttl: 1s
  interval: 10s
  down_after: 1s
  hold: 2s
  min_requests: 0
  gdnsd: {{servers: [{{address: 127.0.0.1, port: {port}}}]}}
"""
ADDRESSES = {"a": "127.1.0.1", "b": "127.1.0.2", "c": "127.1.0.3"}


class Earth:
    """Three regions; a node of each asks the others when it is asked itself."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.port = free_port()
        self.file = folder / "fleet.yaml"
        self.file.write_text(FLEET.format(port=self.port))
        first = Region(ADDRESSES["a"])
        self.there = {"a": first} | {name: Region(ADDRESSES[name], first.port) for name in "bc"}
        for name, one in self.there.items():
            one.said = {"ready": True, "fleet": "demo", "region": name, "releases": {}}
        monkeypatch.setattr(regions, "PORT", first.port)
        monkeypatch.setattr(tell.ssh, "run", self._ssh)
        (folder / ".du").mkdir(mode=0o700)
        self.entrance = Entrance(load_spec(self.file), folder)
        for name, address in ADDRESSES.items():
            node = Node(f"demo-{name}-1", "1c1g", address, joined=True)
            self.entrance.store.save_pool(name, PoolRecord(address, 1, (node,)))

    def dies(self, name: str) -> None:
        self.there.pop(name).stop()

    def _ssh(self, target: ssh.Target, argv: list[str], *, stdin: str, timeout: float) -> ssh.Result:
        where = target.name.split("-")[1]
        if where not in self.there:
            raise Unreachable("does not answer", where=target.name)
        order = json.loads(stdin or '{"regions": []}')
        rows = [
            {
                "name": one["name"],
                "address": one["address"],
                "age_s": 0.1,
                "said": self.there[one["name"]].said if one["name"] in self.there else None,
                "why": "" if one["name"] in self.there else "refuses connections",
            }
            for one in order["regions"]
        ]
        load = {"rps": 5.0, "cpu_percent": 3.0}
        told: dict[str, Any] = {"regions": rows, "load": load, "draining": False, "requests": {"id": "x", "count": 0}}
        told["waited_s"] = 0.0
        return ssh.Result(0, json.dumps(told), "")

    def stop(self) -> None:
        for one in self.there.values():
            one.stop()
        for server in servers.servers_of(self.entrance.spec.gdnsd, self.entrance.regions, lambda _: PoolRecord()):
            local.stop(server)

    def answers(self, times: int = 200) -> Counter[str]:
        """Which regions gdnsd gives out, and how often."""
        names = {address: name for name, address in ADDRESSES.items()}
        found: Counter[str] = Counter()
        for _ in range(times):
            answer = dns.query.udp(dns.message.make_query(NAME, "A"), "127.0.0.1", port=self.port, timeout=5)
            found.update(names[one.address] for rrset in answer.answer for one in rrset)
        return found

    def run(self, *argv: str, code: int = 0) -> Result:
        """A command, which must end with this code."""
        done = CliRunner().invoke(cli, [*argv, "--fleet", str(self.file)])
        if isinstance(done.exception, SystemExit) or done.exception is None:
            assert done.exit_code == code, (done.output, done.exception)
        else:
            assert getattr(done.exception, "exit_code", None) == code, repr(done.exception)
        return done

    def json(self, *argv: str, code: int = 0) -> Any:
        return json.loads(self.run(*argv, "--output", "json", code=code).stdout)


@pytest.fixture
def earth(monkeypatch: pytest.MonkeyPatch) -> Iterator[Earth]:
    """In a folder whose path is short: gdnsd's socket lies in it."""
    need_gdnsd()
    with tempfile.TemporaryDirectory(prefix="du-", dir="/tmp") as folder:
        made = Earth(Path(folder), monkeypatch)
        yield made
        made.stop()


def test_from_nothing_to_a_name_that_leads_to_all_regions_and_from_there_by_orders(earth: Earth) -> None:
    assert "publish" in earth.run("traffic", "plan").stdout
    assert earth.json("traffic", "status", code=6)["ready"] is False
    done = earth.json("traffic", "apply", "--yes")
    assert done["actions"] == [f"publish: {NAME} leads to a, b, c"]
    assert earth.answers().keys() == {"a", "b", "c"}

    status = earth.json("traffic", "status")
    assert (status["ready"], status["name"], status["course"]["number"]) == (True, NAME, 1)
    assert [one["name"] for one in status["regions"]] == ["a", "b", "c"]
    assert all(one["why"] in ("up by 3 of 3", "up by 2 of 3") for one in status["regions"])
    assert status["servers"] == [{"server": f"127.0.0.1:{earth.port}", "ok": True, "words": []}]
    told = earth.run("traffic", "status").stdout
    assert "REGION" in told
    assert "as it should" in told

    waits = earth.json("traffic", "drain", "b", "--yes")["waits"]
    assert any("soak" in words for words in waits)
    assert earth.json("traffic", "status", code=0)["course"]["drained"] == ["b"]
    earth.file.write_text(
        earth.file.read_text().replace("min_requests: 0", "min_requests: 0\n  soak: 0s\n  canary: []")
    )
    assert any(one.startswith("drain b") for one in earth.json("traffic", "apply", "--yes")["actions"])
    assert earth.answers().keys() == {"a", "c"}
    refused = earth.run("traffic", "shift", "b=20", "--yes", code=4)
    assert "drained" in str(refused.exception)
    earth.run("traffic", "undrain", "b", "--yes")
    earth.run("traffic", "apply", "--yes")
    assert earth.answers().keys() == {"a", "b", "c"}
    result = earth.json("traffic", "shift", "a=60", "b=30", "--yes")
    assert result["record"]["endpoints"]["a"]["weight"] == 60
    given = earth.answers(500)
    assert 240 < given["a"] < 360

    explained = earth.json("control", "explain", "a")
    assert explained["regions"][0]["votes"][0]["observer"] == "du-infra"
    assert "well" in [vote["word"] for vote in explained["regions"][0]["votes"]]
    assert explained["decisions"][0]["actions"][0]["kind"] == "shift"
    assert "OBSERVER" in earth.run("control", "explain").stdout


def test_a_dead_region_leaves_the_answers_while_the_loop_runs_and_comes_back(
    earth: Earth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Minder, "mind", lambda *_: None)  # regions themselves are another matter
    earth.file.write_text(earth.file.read_text().replace("interval: 10s", "interval: 5s"))  # a busy machine is late
    told: list[Decision] = []
    loop, stop = ControlLoop(earth.file, (), told.append, silent), threading.Event()
    thread = threading.Thread(target=loop.run, args=(5.0, stop), daemon=True)
    thread.start()
    try:
        _until(lambda: any(one.kind == "publish" for one in told), told)
        _until(lambda: earth.answers(30).keys() == {"a", "b", "c"}, told)
        earth.dies("b")
        began = time.monotonic()
        _until(lambda: "b" not in earth.answers(30), told)
        print(f"out of the answers after {time.monotonic() - began:.1f} s")
        _until(lambda: any((one.kind, one.region) == ("fail-over", "b") for one in told), told)  # told once it is done
    finally:
        stop.set()
        thread.join()
    late = f"127.0.0.1:{earth.port} gives out b"  # so a busy gdnsd is told of
    assert not [one for one in told if one.kind == "failed" and not one.text.startswith(late)], told


def test_one_pass_of_the_loop_and_a_dry_run_of_it(earth: Earth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Minder, "mind", lambda *_: None)
    would = earth.run("control", "run", "--once", "--dry-run")
    assert "publish" in would.stdout
    assert earth.entrance.store.traffic.course(NAME) is None
    assert "publish" in earth.run("control", "run", "--once").stdout
    assert earth.answers(30)
    assert "publish" not in earth.run("control", "run", "--once").stdout
    assert earth.run("control", "run", "--once", "--region", "a").stdout == ""


def test_what_guards_forbid_names_the_guard_and_what_to_do(earth: Earth) -> None:
    earth.run("traffic", "apply", "--yes")
    text = earth.file.read_text()
    earth.file.write_text(f"{text}  freeze: true\n")
    for order in (("drain", "b"), ("shift", "a=50")):
        done = earth.run("traffic", *order, "--yes", code=4)
        assert isinstance(done.exception, Refused)
        assert "guard freeze" in done.exception.what
        assert done.exception.todo
    earth.file.write_text(f"{text}  min_regions: 3\n")
    done = earth.run("traffic", "drain", "b", "--yes", code=4)
    assert isinstance(done.exception, Refused)
    assert "guard min_regions" in done.exception.what
    earth.file.write_text(text)
    earth.dies("c")
    done = earth.run("traffic", "drain", "b", "--yes", code=4)
    assert isinstance(done.exception, Refused)
    assert "guard one drain at a time" in done.exception.what
    assert "control explain" in done.exception.todo
    assert earth.entrance.store.traffic.courses(NAME)[0].drained == ()


@pytest.mark.parametrize("words", ["a", "a=", "a=101", "a=x", "=5"])
def test_a_share_is_a_region_and_its_percent(words: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["traffic", "shift", words, "--fleet", str(tmp_path / "fleet.yaml")])
    assert done.exit_code == 2


def test_without_a_yes_nobody_is_there_to_ask_and_nothing_is_done(earth: Earth) -> None:
    done = earth.run("traffic", "apply", code=4)
    assert "nobody is there to ask" in str(done.exception)
    assert earth.entrance.store.traffic.course(NAME) is None


def test_from_python(earth: Earth) -> None:
    traffic = du_infra.load(earth.file).traffic
    assert traffic.name == NAME
    assert traffic.apply().record is not None
    assert traffic.shift(a=40, b=30).waits
    assert traffic.drain("b").waits
    assert traffic.undrain("b").waits
    assert traffic.explain("a").regions[0].state == "up"
    with pytest.raises(SpecError):
        traffic.explain("nowhere")


def test_a_fleet_without_an_entrance_says_so(tmp_path: Path) -> None:
    file = tmp_path / "fleet.yaml"
    file.write_text("fleet: demo\nregions: {a: {provider: lxd}}\n")
    with pytest.raises(SpecError, match="names no entrance"):
        du_infra.load(file).traffic.status()


def _until(holds: Any, told: list[Decision], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not _try(holds):
        assert time.monotonic() < deadline, told
        time.sleep(0.1)


def _try(holds: Any) -> bool:
    try:
        return bool(holds())
    except (dns.exception.DNSException, OSError):
        return False
