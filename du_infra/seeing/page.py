"""The page as HTML: jinja2 with everything escaped, one style sheet inside, no script and nothing from elsewhere."""

from __future__ import annotations

import base64
import functools
import hashlib
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from du_infra.seeing.board import Snapshot
from du_infra.seeing.view import view

_FOLDER = Path(str(files("du_infra.seeing") / "templates"))
_STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8")
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may do with the page (Content-Security-Policy): show it, with its own style sheet and its icon."""

ICON = (_FOLDER / "icon.svg").read_bytes()


def render(seen: Snapshot, *, region: str = "", still: bool = False) -> str:
    """The page. ``region``: only this one; ``still``: it does not renew itself."""
    return _environment().get_template("page.html.j2").render(style=_STYLE, **view(seen, region=region, still=still))


@functools.cache
def _environment() -> Environment:
    loader = FileSystemLoader(_FOLDER)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
