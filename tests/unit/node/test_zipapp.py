"""du-node as one file."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import du_node
from du_infra.engines import zipapp


def test_the_same_source_gives_the_same_bytes_wherever_and_whenever(tmp_path: Path) -> None:
    one, first = zipapp.build(tmp_path / "one")
    os.utime(Path(du_node.__file__))
    two, second = zipapp.build(tmp_path / "two")
    assert one.read_bytes() == two.read_bytes()
    assert first == second == hashlib.sha256(one.read_bytes()).hexdigest()
    assert one.name == two.name == f"du-node-{first[:12]}.pyz"


def test_a_program_that_is_built_already_is_left_as_it_is(tmp_path: Path) -> None:
    path, _ = zipapp.build(tmp_path)
    before = path.stat()
    assert zipapp.build(tmp_path)[0].stat() == before


def test_it_runs_without_du_infra_and_without_any_installed_package(tmp_path: Path) -> None:
    path, _ = zipapp.build(tmp_path)
    done = subprocess.run([sys.executable, "-IS", str(path), "version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == du_node.__version__
    wrong = subprocess.run([sys.executable, "-IS", str(path), "dance"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, "usage" in wrong.stderr) == (2, True)


def test_serve_imports_nothing_that_is_large(tmp_path: Path) -> None:
    """15 MB is the limit on a node; these modules alone would take a third of it."""
    path, _ = zipapp.build(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(path)!r}); import du_node.serve; print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-IS", "-c", code], capture_output=True, text=True, check=True)
    heavy = {
        "asyncio",
        "http.server",
        "email",
        "urllib",
        "ssl",
        "hashlib",
        "subprocess",
        "pathlib",
        "dataclasses",
        "typing",
    }
    assert heavy & set(done.stdout.split()) <= {"typing"}


def test_du_node_never_imports_du_infra() -> None:
    for source in Path(du_node.__file__).parent.rglob("*.py"):
        assert "du_infra" not in source.read_text().replace("du-infra", ""), source.name
