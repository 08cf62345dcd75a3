"""Building the stand-in: what it is made of, and what is said when it cannot be built."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from du_infra.errors import ToolMissing
from tests.k3s import build


def test_its_version_is_that_of_kubernetes_and_says_what_it_is() -> None:
    major, minor, patch = build.kubernetes_version()
    assert build.version() == f"v{major}.{minor}.{patch}+k3s1-standin"


def test_without_go_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(ToolMissing, match="built with Go"):
        build.binary()


def test_an_old_go_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: f"/usr/bin/{name}")
    monkeypatch.setattr(build, "go_version", lambda _: "go1.19.8")
    with pytest.raises(ToolMissing, match=r"needs Go 1\.24"):
        build.binary()


def test_without_a_c_compiler_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, **_: "/usr/bin/go" if name == "go" else None)
    monkeypatch.setattr(build, "go_version", lambda _: "go1.24.1")
    with pytest.raises(ToolMissing, match="C compiler"):
        build.binary()


def test_every_source_decides_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "main.go").write_text("package main\n")
    before = build._recipe({}, tmp_path)
    assert build._recipe({}, tmp_path) == before
    (tmp_path / "go.sum").write_text("")
    assert build._recipe({}, tmp_path) != before
    assert build._recipe({"go": "go1.24"}, tmp_path) != build._recipe({"go": "go1.25"}, tmp_path)
