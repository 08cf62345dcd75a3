"""The wheel is whole: what a checkout has beside the package, an installation has inside it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SHIPPED = {
    "modules": "region-pool/lxd/main.tf",
    "playbooks": "configure.yml",
    "samples": "hello/app.py",
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with du-infra installed from its wheel, dependencies apart."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)]
    subprocess.run(pip, check=True, capture_output=True)
    return target


def run(installed: Path, code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=installed, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("folder", SHIPPED)
def test_modules_playbooks_and_samples_are_found_inside_an_installation(installed: Path, folder: str) -> None:
    code = f"import du_infra.assets as a; print(a.asset({folder!r}))"
    found = Path(run(installed, code))
    assert found.is_relative_to(installed)
    assert (found / SHIPPED[folder]).is_file()
    assert not list(found.rglob(".terraform*"))


def test_the_program_for_nodes_can_be_built_from_an_installation(installed: Path, tmp_path: Path) -> None:
    folder = str(tmp_path)
    code = f"from pathlib import Path; from du_infra.engines.zipapp import build; print(build(Path({folder!r}))[0])"
    program = run(installed, code)
    done = subprocess.run([sys.executable, program, "version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip()


def test_every_template_and_script_is_shipped(installed: Path) -> None:
    for name in (
        "engines/terraform/root.tf.j2",
        "pool/lxd/customize.sh",
        "pool/lxd/overlay/usr/sbin/nginx",
        "seeing/templates/page.html.j2",
        "seeing/templates/parts.html.j2",
        "seeing/templates/page.css",
        "seeing/templates/icon.svg",
        "py.typed",
    ):
        assert (installed / "du_infra" / name).is_file(), name


def test_the_installed_command_checks_a_fleet_file(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("fleet: demo\nregions:\n  home: {provider: lxd}\n")
    code = (
        f"import sys; sys.argv = ['du-infra', 'validate', '--fleet', {str(tmp_path / 'fleet.yaml')!r}]\n"
        "from du_infra.cli.main import main\n"
        "main()"
    )
    assert "ok (1 region" in run(installed, code)
