"""K3s on a node: it joins once and for its reason only, and says in words why it does not."""

from __future__ import annotations

import io
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from du_node.__main__ import main
from du_node.errors import NodeError
from du_node.k3s import access, files, join, words
from du_node.k3s.state import state
from tests.unit.node.k3s_bed import TOKEN, Machine, Unit, node, pod
from tests.unit.node.k3s_bed import machine as machine

AGENT = {"role": "agent", "server": "https://198.18.1.2:6443", "token": TOKEN, "seconds": 5}
SERVER = {"role": "server", "seconds": 5}
REFUSED = 'time="2026-11-30T10:00:00Z" level=fatal msg="Error: https://h:6443/v1-k3s/config: 401 Unauthorized"'
REUSED = 'level=error msg="Node password rejected, duplicate hostname or contents of /etc/rancher/node/password"'


def joined(order: dict[str, Any]) -> tuple[bool, list[str]]:
    told: list[str] = []
    return join.join(join.order_of(order), told.append), told


def test_the_first_server_is_told_no_token_and_gets_the_servers_keys(machine: Machine) -> None:
    assert joined(SERVER) == (True, ["K3s starts as a server"])
    assert json.loads(Path(files.CONFIG).read_text()) == {}
    assert str(Path(files.LINK).readlink()) == files.SERVER_KEYS
    assert (machine.server.active, machine.server.enabled, machine.agent.enabled) == ("active", True, False)
    assert files.role() == "server"


def test_an_agent_gets_server_and_token_in_a_file_for_root_alone(machine: Machine) -> None:
    assert joined(AGENT) == (True, ["K3s starts as an agent"])
    assert json.loads(Path(files.CONFIG).read_text()) == {"server": AGENT["server"], "token": TOKEN}
    assert stat.S_IMODE(Path(files.CONFIG).stat().st_mode) == 0o600
    assert not Path(files.LINK).is_symlink()
    assert (machine.agent.active, machine.agent.enabled) == ("active", True)
    assert not any(TOKEN in word for argv in machine.ran for word in argv)


def test_who_has_joined_is_left_as_it_is(machine: Machine) -> None:
    joined(AGENT)
    before = Path(files.CONFIG).stat()
    assert joined({**AGENT, "token": f"{TOKEN}x"}) == (False, [])
    assert (machine.agent.starts, Path(files.CONFIG).stat()) == (1, before)


def test_who_tries_with_an_old_token_starts_again_with_the_new_one(machine: Machine) -> None:
    joined(AGENT)
    machine.agent.active, machine.agent.comes_up = "activating", 2
    joined({**AGENT, "token": f"{TOKEN}x"})
    assert json.loads(Path(files.CONFIG).read_text())["token"] == f"{TOKEN}x"
    assert (machine.agent.starts, machine.agent.active) == (2, "active")


def test_an_agent_becomes_a_server_and_back(machine: Machine) -> None:
    joined(AGENT)
    joined({**AGENT, "role": "server"})
    assert (files.role(), machine.agent.active, machine.agent.enabled) == ("server", "inactive", False)
    joined(AGENT)
    assert (files.role(), machine.server.active, machine.server.enabled) == ("agent", "inactive", False)


@pytest.mark.parametrize(
    ("said", "what"),
    [(REFUSED, "does not accept the token"), (REUSED, "another machine has joined this cluster by this node's name")],
)
def test_who_is_refused_does_not_go_on_trying(machine: Machine, said: str, what: str) -> None:
    machine.agent.comes_up, machine.agent.says = None, [said, said]
    with pytest.raises(NodeError, match=what) as caught:
        joined(AGENT)
    assert caught.value.kind == "refused"
    assert (machine.agent.active, machine.agent.enabled, files.role()) == ("inactive", False, "")


def test_a_refusal_that_is_said_once_is_waited_for(machine: Machine) -> None:
    machine.agent.comes_up, machine.agent.says = 20, [REFUSED]
    assert joined(AGENT)[0]


def test_who_is_late_goes_on_and_says_what_is_in_the_way(machine: Machine) -> None:
    machine.agent.comes_up = None
    machine.agent.says = [f'level=error msg="failed to get CA certs with {TOKEN}: connect: no route to host"']
    with pytest.raises(NodeError, match="there is no way to the server") as caught:
        joined({**AGENT, "seconds": 1})
    assert (caught.value.kind, machine.agent.enabled, files.role()) == ("not-ready", True, "agent")
    assert TOKEN not in caught.value.detail
    assert "(a token)" in caught.value.detail


@pytest.mark.parametrize(
    "order",
    [
        {"role": "witness"},
        {"role": "agent"},
        {"role": "server", "token": TOKEN},
        {"role": "agent", "server": "http://198.18.1.2:6443", "token": TOKEN},
        {"role": "agent", "server": "https://198.18.1.2:6443", "token": "a b"},
        {"role": "server", "seconds": 0},
    ],
)
def test_a_malformed_order_is_refused_and_its_token_not_shown(machine: Machine, order: dict[str, Any]) -> None:
    with pytest.raises(NodeError) as caught:
        joined(order)
    assert caught.value.kind == "bad-wanted"
    assert TOKEN not in str(caught.value.line())
    assert machine.ran == []


def test_killed_before_its_configuration_is_whole_it_is_set_up_as_nothing(machine: Machine) -> None:
    Path(files.LINK).parent.mkdir(parents=True)
    Path(files.LINK).symlink_to(files.SERVER_KEYS)
    assert files.role() == ""
    joined(AGENT)
    assert files.role() == "agent"


def test_it_starts_as_what_it_is_and_only_where_it_is_something(machine: Machine) -> None:
    with pytest.raises(NodeError, match="not set up"):
        join.start(5, print)
    joined(AGENT)
    machine.agent.active = "failed"
    assert join.start(5, print)
    assert not join.start(5, print)
    assert join.start(5, print, again=True)
    assert machine.agent.starts == 3


def test_who_leaves_is_off_and_does_not_come_back(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    joined(AGENT)
    assert _main("leave") == 0
    assert (machine.agent.active, machine.agent.enabled, files.role()) == ("inactive", False, "agent")
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["ok"]


def test_where_no_unit_is_nothing_has_to_be_stopped(machine: Machine) -> None:
    machine.units = {"k3s.service": Unit(loaded=False), "k3s-agent.service": Unit(loaded=False)}
    assert _main("leave") == 0
    assert state()["service"] == "stopped"


def _main(verb: str, order: str = "") -> int:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sys.stdin", io.StringIO(order))
        return main(["k3s", verb])


def test_an_order_that_is_no_json_is_not_shown(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    assert _main("join", f'{{"token": "{TOKEN}"') == 2
    assert TOKEN not in capsys.readouterr().out
    assert main(["k3s", "dance"]) == 2
    assert main(["k3s"]) == 2


def test_a_new_machine_is_nothing_yet(machine: Machine) -> None:
    told = state()
    assert (told["role"], told["service"], told["joined"], told["cluster"]) == ("", "stopped", False, None)
    assert told["version"] == "v1.34.4+k3s1"


@pytest.mark.parametrize(
    ("active", "enabled", "service"),
    [
        ("active", True, "running"),
        ("activating", True, "starting"),
        ("deactivating", True, "starting"),
        ("inactive", True, "stopped"),
        ("inactive", False, "disabled"),
        ("failed", True, "failed"),
        ("failed", False, "disabled"),
    ],
)
def test_services_as_systemd_has_them(machine: Machine, active: str, enabled: bool, service: str) -> None:
    joined(AGENT)
    machine.agent.active, machine.agent.enabled, machine.agent.comes_up = active, enabled, None
    assert state()["service"] == service


def test_a_server_tells_of_its_cluster_and_nothing_secret(machine: Machine, tmp_path: Path) -> None:
    joined(SERVER)
    (tmp_path / "data/server/db").mkdir(parents=True)
    (tmp_path / "data/server/db/state.db").touch()
    (tmp_path / "data/agent").mkdir()
    (tmp_path / "data/agent/client-kubelet.crt").touch()
    machine.nodes = [node("a", server=True), node("b", ready=False, cordoned=True, ours=True)]
    machine.secrets = ["a.node-password.k3s", "k3s-serving", "b.node-password.k3s"]
    machine.pods = {"b": [pod("DaemonSet"), pod(mirror=True), pod(phase="Succeeded")]}
    told = state()
    assert (told["role"], told["datastore"], told["joined"]) == ("server", "sqlite", True)
    assert told["cluster"]["passwords"] == ["a", "b"]
    assert [(n["name"], n["ready"], n["server"], n["drained"]) for n in told["cluster"]["nodes"]] == [
        ("a", True, True, False),
        ("b", False, False, True),
    ]
    assert told["cluster"]["nodes"][1]["marked"]
    machine.pods = {"b": [pod()]}
    assert not state()["cluster"]["nodes"][1]["drained"]


def test_an_api_that_does_not_answer_is_told_in_its_words(machine: Machine) -> None:
    joined(SERVER)
    told = state()
    assert told["cluster"] is None
    assert "connection refused" in told["why"]


def test_files_that_changed_since_its_start_are_told_of(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "k3s-server.yaml").write_text("{}")
    joined(SERVER)
    changed = tmp_path / "etc" / "registries.yaml"
    changed.write_text("{}")
    booted = time.time() - time.monotonic()
    for path in (changed, tmp_path / "k3s-server.yaml"):
        os.utime(path, (booted - 10, booted - 10))
    assert state()["stale"] == []
    os.utime(changed)
    os.utime(tmp_path / "k3s-server.yaml")
    (tmp_path / "data/agent/etc/kubelet.conf.d").mkdir(parents=True)
    (tmp_path / "data/agent/etc/kubelet.conf.d/00-k3s-defaults.conf").touch()  # K3s's own
    assert state()["stale"] == [files.LINK, str(changed)]
    joined(AGENT)
    assert state()["stale"] == [str(changed)]
    machine.agent.active = "inactive"
    assert state()["stale"] == []


def test_etcd_on_the_disk_is_seen(machine: Machine, tmp_path: Path) -> None:
    joined(SERVER)
    (tmp_path / "data/server/db/etcd/member/wal").mkdir(parents=True)
    assert state()["datastore"] == "etcd"


ORDER = {"ca": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "token": "a.b.c"}


@pytest.mark.parametrize(("order", "port"), [(AGENT, 6444), (SERVER, 6443)])
def test_access_goes_by_this_machine_and_is_for_root_alone(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, order: dict[str, Any], port: int
) -> None:
    monkeypatch.setattr(access, "_get", lambda *_: 200)
    joined(order)
    asked = {**ORDER, "others": ["198.18.1.2", "198.18.1.3"]}
    assert access.keep(asked)
    assert not access.keep(asked)
    kept = tmp_path / "kube.json"
    others = ["https://198.18.1.2:6443", "https://198.18.1.3:6443"]
    assert json.loads(kept.read_text()) == {"server": f"https://127.0.0.1:{port}", **ORDER, "others": others}
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_credentials_that_do_not_work_are_not_kept(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NodeError, match="not set up"):
        access.keep(ORDER)
    joined(AGENT)
    monkeypatch.setattr(access, "_SECONDS", 0.0)
    monkeypatch.setattr(access, "_get", lambda *_: 403)
    with pytest.raises(NodeError, match="answers 403") as caught:
        access.keep(ORDER)
    assert caught.value.kind == "refused"
    with pytest.raises(NodeError, match="malformed"):
        access.keep({**ORDER, "ca": "x"})
    with pytest.raises(NodeError, match="others"):
        access.keep({**ORDER, "others": ["the-second"]})
    assert not (tmp_path / "kube.json").exists()


def test_an_authority_that_is_none_is_malformed(machine: Machine) -> None:
    joined(AGENT)
    with pytest.raises(NodeError) as caught:
        access.keep(ORDER)
    assert caught.value.kind == "bad-wanted"


def test_a_token_is_never_shown() -> None:
    assert TOKEN not in words.plain(f'level=error msg="token {TOKEN} is no good"')
    assert TOKEN not in words.plain(f"plain text {TOKEN}")
    assert words.trouble([]) == ""
    assert words.trouble(['level=info msg="a"', 'level=error msg="b"', 'level=info msg="c"']) == "b"
