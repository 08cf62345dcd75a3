"""The modules and filters in playbooks/, without a node."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import time
from pathlib import Path
from types import ModuleType

import pytest
from ruamel.yaml import YAML

PLAYBOOKS = Path(__file__).resolve().parents[3] / "playbooks"


def load(folder: str, name: str) -> ModuleType:
    """A module or filter plugin of playbooks/, which is no Python package."""
    found = importlib.util.spec_from_file_location(name, PLAYBOOKS / folder / f"{name}.py")
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


files = load("library", "du_files")
service = load("library", "du_service")
probe = load("library", "du_probe")
filters = load("filter_plugins", "du")


def test_a_file_is_written_once_and_healed_in_content_and_mode(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.conf"
    file = {"path": str(path), "content": "one\n", "mode": "0640"}
    assert files.settle(file, False)[0] is True
    assert files.settle(file, False)[0] is False
    path.write_text("two\n")
    assert files.settle(file, False)[0] is True
    path.chmod(0o600)
    assert files.settle(file, False)[0] is True
    assert (path.read_text(), oct(path.stat().st_mode & 0o777)) == ("one\n", "0o640")


def test_a_dry_run_says_what_it_would_do_and_does_nothing(tmp_path: Path) -> None:
    assert files.settle({"path": str(tmp_path / "a"), "content": "x"}, True)[0] is True
    (tmp_path / "stale").touch()
    assert files.prune([f"{tmp_path}/*"], set(), True) == [f"{tmp_path}/stale"]
    assert [path.name for path in tmp_path.iterdir()] == ["stale"]


def test_a_folder_is_made_with_its_mode_and_healed(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    entry = {"path": str(path), "folder": True, "mode": "0700"}
    assert files.settle(entry, True) == (True, None)
    assert not path.exists()
    assert files.settle(entry, False) == (True, None)
    assert files.settle(entry, False) == (False, None)
    path.chmod(0o755)
    assert files.settle(entry, False) == (True, None)
    assert oct(path.stat().st_mode & 0o777) == "0o700"


def test_files_are_known_by_their_hashes_and_those_that_are_not_there_by_none(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * (2 << 20))
    told = probe.hashes([str(tmp_path / "a"), str(tmp_path / "b")])
    assert told == {str(tmp_path / "a"): hashlib.sha256(b"x" * (2 << 20)).hexdigest()}


def test_a_unit_is_in_use_when_it_runs_or_will_run_after_a_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"is-active": {"a": "active", "b": "inactive", "c": "activating", "d": "failed"}}
    told["is-enabled"] = {"a": "disabled", "b": "enabled", "c": "disabled", "d": "disabled"}
    monkeypatch.setattr(probe, "_systemd", lambda question, unit: told[question][unit])
    assert probe.used(["a", "b", "c", "d"]) == ["a", "b", "c"]


def test_a_file_that_its_checker_refuses_never_replaces_the_good_one(tmp_path: Path) -> None:
    path = tmp_path / "rules"
    path.write_text("good")
    file = {"path": str(path), "content": "bad", "validate": "grep good %s"}
    with pytest.raises(files.Rejected, match=r"rules was refused by grep"):
        files.settle(file, False)
    assert path.read_text() == "good"
    assert [entry.name for entry in tmp_path.iterdir()] == ["rules"]


def test_a_kept_file_is_made_once_and_then_belongs_to_somebody_else(tmp_path: Path) -> None:
    file = {"path": str(tmp_path / "du.conf"), "content": "first", "keep": True}
    assert files.settle(file, False) == (True, None)
    (tmp_path / "du.conf").write_text("theirs")
    assert files.settle(file, False) == (False, None)
    assert (tmp_path / "du.conf").read_text() == "theirs"


def test_a_link_moves_to_its_new_target_and_old_programs_are_removed(tmp_path: Path) -> None:
    old, new, link = tmp_path / "du-node-1.pyz", tmp_path / "du-node-2.pyz", tmp_path / "du-node"
    for target in (old, new):
        target.touch()
        assert files.settle({"path": str(link), "link": str(target)}, False) == (True, None)
    assert files.settle({"path": str(link), "link": str(new)}, False) == (False, None)
    assert files.prune([f"{tmp_path}/*.pyz"], {str(new)}, False) == [str(old)]
    assert link.resolve() == new


def test_an_earlier_program_is_removed_only_when_the_new_one_has_been_started() -> None:
    play = YAML(typ="safe").load(PLAYBOOKS / "configure.yml")[0]
    names = [entry["role"] for entry in play["roles"]]
    texts = {name: (PLAYBOOKS / "roles" / name / "tasks" / "main.yml").read_text() for name in names}
    removing = [name for name in names if "du-node/*.pyz" in texts[name]]
    assert removing == ["stamp"]
    assert names.index("du_node") < names.index("units") < names.index("stamp")


def fact(**changes: str) -> dict[str, str]:
    """A unit that has been active since second 100 of the monotonic clock."""
    return {
        "LoadState": "loaded",
        "ActiveState": "active",
        "UnitFileState": "enabled",
        "NeedDaemonReload": "no",
        "ActiveEnterTimestampMonotonic": "100000000",
        "StateChangeTimestampMonotonic": "100000000",
        "ReloadResult": "success",
        **changes,
    }


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A file that changed a second ago."""
    path = tmp_path / "x.conf"
    path.touch()
    os.utime(path, (time.time() - 1, time.time() - 1))
    return str(path)


@pytest.mark.parametrize(
    ("unit", "seen", "wanted"),
    [
        ({}, fact(), []),
        ({}, fact(ActiveState="failed"), ["restart"]),
        ({}, fact(UnitFileState="disabled"), ["enable"]),
        ({"enabled": None, "state": None}, fact(ActiveState="inactive", UnitFileState="disabled"), []),
        ({"enabled": False, "state": "stopped"}, fact(), ["disable", "stop"]),
        ({"enabled": False, "state": "stopped"}, fact(ActiveState="inactive", UnitFileState="disabled"), []),
        ({"check": ["false"]}, fact(), ["restart"]),
        ({"check": ["true"]}, fact(), []),
        ({"reload": ["/nowhere"]}, fact(ReloadResult="exit-code"), ["reload"]),
    ],
)
def test_a_unit_is_told_what_it_needs_and_no_more(unit: dict, seen: dict, wanted: list[str]) -> None:
    assert service.verbs(unit, seen, 200.0, time.time()) == wanted


def test_many_units_are_told_in_one_call_each_verb_and_absent_optional_ones_are_passed_over() -> None:
    units = [{"name": "a"}, {"name": "b"}, {"name": "c", "optional": True}, {"name": "d"}]
    facts = {
        "a": fact(ActiveState="inactive", UnitFileState="disabled"),
        "b": fact(ActiveState="inactive"),
        "c": fact(LoadState="not-found"),
        "d": fact(),
    }
    assert service.batches(units, facts) == {"enable": ["a"], "restart": ["a", "b"]}


def test_a_unit_older_than_its_file_is_restarted_even_when_the_run_that_wrote_it_was_killed(config: str) -> None:
    assert service.verbs({"restart": [config]}, fact(), 200.0, time.time()) == ["restart"]
    assert service.verbs({"reload": [config]}, fact(), 200.0, time.time()) == ["reload"]


def test_a_unit_younger_than_its_file_is_left_alone(config: str) -> None:
    assert service.verbs({"restart": [config], "reload": [config]}, fact(), 100.5, time.time()) == []


def test_a_reload_by_somebody_else_does_not_hide_a_restart_that_is_due(config: str) -> None:
    reloaded = fact(StateChangeTimestampMonotonic="200000000")
    assert service.verbs({"restart": [config], "reload": [config]}, reloaded, 200.0, time.time()) == ["restart"]


@pytest.mark.parametrize(
    ("address", "networks", "wanted"),
    [
        ("198.18.0.1", ["198.18.0.1/32"], True),
        ("198.18.0.2", ["198.18.0.1/32", "2001:db8::/32"], False),
        ("2001:db8::7", ["198.18.0.0/16", "2001:db8::/32"], True),
        ("::ffff:198.18.0.1", ["198.18.0.0/16"], True),
        ("fe80::1%eth0", ["fe80::/10"], True),
        ("198.18.0.1", [], False),
        ("", ["0.0.0.0/0"], False),
    ],
)
def test_the_lockout_check_knows_what_is_inside(address: str, networks: list[str], wanted: bool) -> None:
    assert filters.inside(address, networks) is wanted
