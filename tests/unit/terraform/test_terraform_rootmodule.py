"""The root module of a region: fixed text, with all data beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.assets import asset
from du_infra.engines.terraform.rootmodule import HOOKS_MODULE, PROVIDERS, VARIABLES_FILE, Hooks, render, write_root

MODULE = "region-pool/lxd"


def _modules(root: Path) -> Path:
    folder = root / "shipped" / "region-pool" / "x"
    folder.mkdir(parents=True)
    (folder / "main.tf").write_text("# one\n")
    (folder / "README.md").write_text("not for Terraform\n")
    (folder / ".terraform").mkdir()
    return root / "shipped"


@given(st.text())
def test_no_value_ever_reaches_the_template(value: str) -> None:
    assert render(MODULE, {"region": value}) == render(MODULE, {"region": "home"})


@pytest.mark.parametrize("value", ['"\n}\nresource "x" "y" {}', '${file("/etc/shadow")}', "%{ for }", "ü\\u"])
def test_values_survive_as_json_whatever_they_hold(tmp_path: Path, value: str) -> None:
    write_root(tmp_path / "ws", _modules(tmp_path), "region-pool/x", {"labels": {"a": value}})
    assert json.loads((tmp_path / "ws" / VARIABLES_FILE).read_text()) == {"labels": {"a": value}}
    assert value not in (tmp_path / "ws" / "main.tf").read_text()


def test_hooks_stand_beside_the_pool_and_their_values_beside_the_others(tmp_path: Path) -> None:
    modules = _modules(tmp_path)
    (modules / HOOKS_MODULE).mkdir()
    (modules / HOOKS_MODULE / "main.tf").write_text("# hooks\n")
    hooks = Hooks("demo-home", 3, ["demo-home-3"], '/py"thon', "../${fleet}.yaml")
    write_root(tmp_path / "ws", modules, "region-pool/x", {"region": "home", "nodes": {}}, hooks)
    main = (tmp_path / "ws/main.tf").read_text()
    assert 'source     = "./modules/pool-hooks"' in main
    assert "depends_on = [module.pool]" in main
    assert not any(value in main for value in ("demo-home", "/py", "fleet.yaml"))
    assert (tmp_path / "ws/modules/pool-hooks/main.tf").is_file()
    assert json.loads((tmp_path / "ws" / VARIABLES_FILE).read_text())["hooks"] == {
        "stem": "demo-home",
        "counter": 3,
        "known": ["demo-home-3"],
        "python": '/py"thon',
        "fleet": "../${fleet}.yaml",
    }


@pytest.mark.parametrize("name", ["a-b", "A", "1a", 'x" {}', ""])
def test_a_name_that_is_no_variable_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a Terraform variable"):
        render(MODULE, {name: 1})


@pytest.mark.parametrize("module", ["../etc", "/etc", "a//b", 'a"b', ""])
def test_a_path_that_is_no_module_is_refused(module: str) -> None:
    with pytest.raises(ValueError, match="not a module"):
        render(module, {})


def test_the_folder_and_its_files_are_for_the_owner_only(tmp_path: Path) -> None:
    write_root(tmp_path / "ws", _modules(tmp_path), "region-pool/x", {"region": "home"})
    assert (tmp_path / "ws").stat().st_mode & 0o777 == 0o700
    for file in ("main.tf", VARIABLES_FILE, "modules/region-pool/x/main.tf"):
        assert (tmp_path / "ws" / file).stat().st_mode & 0o777 == 0o600


def test_only_terraform_files_are_copied_and_old_ones_go(tmp_path: Path) -> None:
    modules = _modules(tmp_path)
    write_root(tmp_path / "ws", modules, "region-pool/x", {})
    copy = tmp_path / "ws/modules/region-pool/x"
    assert [file.name for file in copy.iterdir()] == ["main.tf"]
    (modules / "region-pool/x/main.tf").rename(modules / "region-pool/x/other.tf")
    write_root(tmp_path / "ws", modules, "region-pool/x", {})
    assert [file.name for file in copy.iterdir()] == ["other.tf"]


def test_writing_the_same_again_touches_nothing(tmp_path: Path) -> None:
    modules = _modules(tmp_path)
    write_root(tmp_path / "ws", modules, "region-pool/x", {"region": "home"})
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "ws").rglob("*") if file.is_file()}
    write_root(tmp_path / "ws", modules, "region-pool/x", {"region": "home"})
    assert {file: file.stat().st_mtime_ns for file in before} == before


def test_a_module_that_is_not_there_is_a_clear_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no Terraform module in"):
        write_root(tmp_path / "ws", tmp_path, "region-pool/none", {})


def test_the_lxd_provider_is_the_same_version_everywhere() -> None:
    plugin = PROVIDERS["lxd"]
    folder = asset("modules") / MODULE
    for file in (folder / "versions.tf", folder / "examples/two-nodes/main.tf"):
        found = re.search(r'source\s*=\s*"(.*)"\s*version\s*=\s*"(.*)"', file.read_text())
        assert found, file
        assert found.groups() == (plugin.source, plugin.version)
    assert f'version = "{plugin.version}"' in render(MODULE, {})
