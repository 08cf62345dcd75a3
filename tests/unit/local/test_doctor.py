"""The doctor says what is missing and how to get it, and installs only what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from du_infra.errors import EngineFailed, ToolMissing
from du_infra.local import doctor, samples
from du_infra.local.doctor import Finding
from du_infra.progress import Event, silent


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What would be run; nothing is."""
    made: list[list[str]] = []

    def run(argv: Sequence[str], **_: Any) -> bytes:
        made.append(list(argv))
        return b""

    monkeypatch.setattr(doctor, "run", run)
    monkeypatch.setattr(doctor.os, "geteuid", lambda: 0)
    monkeypatch.setattr(doctor.shutil, "which", lambda program, path=None: f"/usr/bin/{program}")
    return made


def test_a_missing_program_comes_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda program, path=None: None)
    monkeypatch.setattr(doctor, "_os_release", lambda: "debian")
    found = {finding.name: finding for finding in doctor.examine()}
    assert not found["skopeo"].ok
    assert found["skopeo"].package == "skopeo"
    assert "apt-get install skopeo" in found["skopeo"].todo


def test_on_ubuntu_lxd_comes_from_its_snap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda program, path=None: None)
    monkeypatch.setattr(doctor, "_os_release", lambda: "ubuntu")
    found = {finding.name: finding for finding in doctor.examine()}
    assert found["lxd"].todo == "snap install lxd"
    assert found["lxd"].package == ""


def test_what_only_traffic_needs_is_told_and_installed_only_when_asked_for(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda program, path=None: None if program == "gdnsd" else "/bin/x")
    without = {finding.name: finding for finding in doctor.examine()}["gdnsd"]
    assert without.optional and "only for traffic" in without.detail and "--for traffic" in without.todo
    doctor.fix([without], silent)
    assert calls == []
    wanted = {finding.name: finding for finding in doctor.examine(["traffic"])}["gdnsd"]
    assert not wanted.optional and not wanted.ok
    assert doctor.lacking([without, wanted]) == ["gdnsd"]


def test_a_browser_is_only_for_tests(calls: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda program, path=None: None if "chrom" in program else "/bin/x")
    assert "chromium" not in doctor.lacking(doctor.examine())
    assert {"chromium", "chromium-driver"} <= set(doctor.lacking(doctor.examine(["browser"])))


def test_postgresql_comes_for_tests_and_without_a_server_of_its_own(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(doctor, "_NO_CLUSTER", tmp_path / "createcluster.d" / "du-infra.conf")
    monkeypatch.setattr(doctor, "_POSTGRES", tmp_path / "lib")
    monkeypatch.setattr(doctor.shutil, "which", lambda program, path="": None if program == "initdb" else "/bin/x")
    assert "postgresql" not in doctor.lacking(doctor.examine())
    found = doctor.examine(["postgres"])
    assert doctor.lacking(found) == ["postgresql"]
    doctor.fix(found, silent)
    assert doctor._NO_CLUSTER.read_text() == "create_main_cluster = false\n"
    assert calls[-1][-1] == "postgresql"


def test_postgresql_is_looked_for_where_debian_has_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "_PATH", "/nowhere")
    monkeypatch.setattr(doctor, "_POSTGRES", tmp_path)
    program = tmp_path / "15" / "bin" / "initdb"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    found = {finding.name: finding for finding in doctor.examine(["postgres"])}["initdb"]
    assert (found.ok, found.detail) == (True, str(program))


def test_only_what_is_missing_is_installed_each_package_once(calls: list[list[str]]) -> None:
    missing = [Finding("ssh", False, "", "", "openssh-client"), Finding("ssh-keygen", False, "", "", "openssh-client")]
    doctor.fix([*missing, Finding("skopeo", True, "")], silent)
    assert calls[-1][-1] == "openssh-client"
    assert calls[-1].count("openssh-client") == 1
    assert not any("skopeo" in call for call in calls)


def test_an_install_that_was_killed_is_finished_before_the_next(calls: list[list[str]]) -> None:
    doctor.fix([Finding("skopeo", False, "", "", "skopeo")], silent)
    assert [call[0] for call in calls if call[0] in ("dpkg", "apt-get")] == ["dpkg", "apt-get", "apt-get"]
    assert calls[0][-2:] == ["--configure", "-a"]


def test_with_nothing_missing_nothing_is_run(calls: list[list[str]]) -> None:
    doctor.fix([Finding("skopeo", True, "")], silent)
    assert calls == []


def test_without_root_nothing_is_installed_and_the_command_is_named(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.os, "geteuid", lambda: 1000)
    with pytest.raises(ToolMissing) as error:
        doctor.fix([Finding("skopeo", False, "", "", "skopeo")], silent)
    assert "apt-get install skopeo" in error.value.todo
    assert calls == []


def test_a_broken_package_source_is_a_warning_and_the_install_goes_on(
    calls: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(argv: Sequence[str], **_: Any) -> bytes:
        calls.append(list(argv))
        if "update" in argv:
            raise EngineFailed("no", detail="E: one source is broken")
        return b""

    monkeypatch.setattr(doctor, "run", run)
    events: list[Event] = []
    doctor.fix([Finding("skopeo", False, "", "", "skopeo")], events.append)
    assert any(event.kind == "warning" and "broken" in event.text for event in events)
    assert "install" in calls[-1]


def test_this_very_machine_can_be_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DU_INFRA_CACHE", str(tmp_path))
    assert {"root", "lxd", "terraform", "disk"} <= {finding.name for finding in doctor.examine()}


def test_only_the_tags_of_the_local_sample_are_made_here() -> None:
    asked = {"registry.local:5000/hello": ["v1", "v9"], "example.com/hello": ["v2"]}
    assert samples.wanted(asked) == ["v1"]
