"""Has a folder hold exactly these files. What somebody else made or changed there is never overwritten or removed.

A file of ours in the folder remembers what was written, by its hash.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from du_infra.errors import Refused, SpecError

MEMORY = ".du-infra.json"
_HEAD = "# Written by `du-infra gitops render` from fleet.yaml: change that, not this.\n"
_MOST_NAMED = 5
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


Memory: TypeAlias = Mapping[str, Sequence[str]]
"""Path → the hashes of what we wrote there; two while a run that writes it anew may have been killed."""


@dataclass(frozen=True)
class WritePlan:
    """``write`` and ``remove`` are paths; ``foreign`` those that somebody else made or changed."""

    write: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()


def plan_write(there: Mapping[str, str], remembered: Memory, wanted: Mapping[str, str]) -> WritePlan:
    """What to do, from hashes by path: of files that are ``there``, of what we wrote, of what is ``wanted``. Pure."""
    foreign = [p for p, found in there.items() if found not in (*remembered.get(p, ()), wanted.get(p))]
    return WritePlan(
        write=tuple(sorted(path for path, text in wanted.items() if there.get(path) != text)),
        remove=tuple(sorted(path for path in there if path in remembered and path not in wanted)),
        foreign=tuple(sorted(path for path in foreign if path in wanted or path in remembered)),
    )


def text_of(value: Mapping[str, Any] | str) -> str:
    """A file's text; an object as YAML, the same every time."""
    if isinstance(value, str):
        return value
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import SafeRepresenter

    class Plain(SafeRepresenter):
        """Without anchors: what is the same object in two places is written twice."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def text(self, data: str) -> Any:
            """Many tools read YAML 1.1, in which yes, 010 and 1:30 are no texts: they take quotes."""
            plain = _PLAIN.fullmatch(data) and data.lower() not in _WORDS
            return self.represent_scalar("tag:yaml.org,2002:str", data, style=None if plain else '"')

    Plain.add_representer(str, Plain.text)
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = Plain
    yaml.default_flow_style = False
    yaml.width = 1 << 20
    stream = io.StringIO()
    yaml.dump(value, stream)
    return _HEAD + stream.getvalue()


def write(folder: Path, files: Mapping[str, Mapping[str, Any] | str], kind: str) -> WritePlan:
    """Bring the folder there; what was done. ``kind`` ("helm") is what the folder holds from then on.

    Raises Refused, and does nothing, where a file is somebody else's or the folder holds another kind; SpecError where
    the folder cannot be written.
    """
    texts = {path: text_of(value) for path, value in files.items()}
    wanted = {path: _hash(text.encode()) for path, text in texts.items()}
    try:
        memory = _memory(folder, kind)
        plan = plan_write(_hashes(folder, {*wanted, *memory}), memory, wanted)
        if plan.foreign:
            names = ", ".join(plan.foreign[:_MOST_NAMED]) + (" …" if len(plan.foreign) > _MOST_NAMED else "")
            todo = "move them away, or render into another folder"
            raise Refused(f"somebody else made or changed {names}", where=str(folder), todo=todo)
        # First: wherever we are killed, what was written is known as ours.
        _remember(folder, kind, {path: _either(path, memory, wanted) for path in {*memory, *wanted}})
        for path in plan.write:
            _put(folder / path, texts[path])
        for path in plan.remove:
            (folder / path).unlink(missing_ok=True)
            _prune(folder, (folder / path).parent)
        _remember(folder, kind, {path: [text] for path, text in wanted.items()})
    except OSError as error:
        raise SpecError(error.strerror or str(error), where=str(error.filename or folder)) from error
    return plan


def _either(path: str, memory: Memory, wanted: Mapping[str, str]) -> list[str]:
    new = [wanted[path]] if path in wanted else []
    return [*dict.fromkeys([*memory.get(path, ()), *new])]


def _hashes(folder: Path, paths: set[str]) -> dict[str, str]:
    return {path: _hash((folder / path).read_bytes()) for path in paths if (folder / path).exists()}


def _memory(folder: Path, kind: str) -> dict[str, list[str]]:
    path = folder / MEMORY
    if not path.exists():
        return {}
    try:
        told = json.loads(path.read_text())
        found, files = str(told["kind"]), {_inside(name): [*map(str, texts)] for name, texts in told["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused("is not what du-infra wrote", where=str(path), todo="render into another folder") from error
    if found != kind:
        raise Refused(f"it holds {found}, not {kind}", where=str(folder), todo="render into another folder")
    return files


def _inside(name: str) -> str:
    """A path below the folder. Raises ValueError for any other: nothing else is ours to remove."""
    if name.startswith("/") or ".." in Path(name).parts:
        raise ValueError(name)
    return name


def _remember(folder: Path, kind: str, files: Memory) -> None:
    _put(folder / MEMORY, json.dumps({"kind": kind, "files": dict(sorted(files.items()))}, indent=1) + "\n")


def _put(path: Path, text: str) -> None:
    if path.exists() and path.read_text() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text)
    fresh.replace(path)


def _prune(folder: Path, emptied: Path) -> None:
    while emptied != folder and not any(emptied.iterdir()):
        emptied.rmdir()
        emptied = emptied.parent


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
