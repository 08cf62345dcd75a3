"""Where modules/, playbooks/ and samples/ are: inside an installed wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

from du_infra.errors import ToolMissing

_PACKAGE = Path(__file__).resolve().parent


def asset(name: str) -> Path:
    """The folder of shipped files called ``name`` ("modules", "playbooks", "samples").

    Raises ToolMissing when the installation is incomplete.
    """
    for candidate in (_PACKAGE / "_assets" / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise ToolMissing(f"du-infra's own {name}/ folder is missing", where=str(_PACKAGE), todo="reinstall du-infra")
