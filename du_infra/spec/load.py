"""fleet.yaml from file to checked model: read, parse, validate, check across; every mistake found on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from du_infra.errors import SpecError
from du_infra.spec import source, tree
from du_infra.spec.complaints import Complaint, Lines, Problem, Stop, text_of_file_name, to_problem
from du_infra.spec.cross import cross_complaints
from du_infra.spec.models import FleetSpec, RegionSpec, ServiceSpec
from du_infra.spec.suggest import did_you_mean
from du_infra.spec.words import explain, place, shown

_MOST_SHOWN = 100


@dataclass(frozen=True)
class Checked:
    """What came of checking a file: a fleet, or the problems in the order of their lines."""

    fleet: FleetSpec | None
    problems: tuple[Problem, ...] = ()


def check_spec(path: Path) -> Checked:
    """Check the file ``path``. Never raises for anything that the file, or its absence, can do."""
    return _checked(text_of_file_name(str(path)), lambda: source.read_text(path))


def check_content(content: bytes, file: str) -> Checked:
    """The same of what a file called ``file`` would hold."""
    return _checked(file, lambda: source.text_of(content))


def _checked(file: str, read: Callable[[], str]) -> Checked:
    try:
        text = read()
    except Stop as stop:
        return Checked(None, (to_problem(file, stop.complaint, Lines(stop.text)),))
    fleet, complaints = check_text(text)
    lines = Lines(text)
    problems = {to_problem(file, complaint, lines): None for complaint in complaints}
    return Checked(fleet, tuple(sorted(problems, key=lambda found: (found.line or 0, found.column or 0))))


def check_text(text: str) -> tuple[FleetSpec | None, list[Complaint]]:
    """The fleet that ``text`` describes, or what is wrong with it."""
    root, complaints = tree.parse(text)
    if root is None or (root.value is None and not complaints):
        return None, complaints or [Complaint("the file is empty", todo=source.start_one())]
    if not isinstance(root.value, dict):
        got = shown(root.value, root.raw)
        return None, [
            *complaints,
            Complaint(f"a fleet file starts with a key such as 'fleet: demo' (got {got})", at=root.at),
        ]
    complaints += [
        Complaint(found.message, found.loc, place(root, found.loc, about_key=False))
        for found in cross_complaints(root.value)
    ]
    try:
        fleet = FleetSpec.model_validate(root.value)
    except ValidationError as error:
        told = {complaint.loc for complaint in complaints}
        more = explain(error.errors(include_url=False), root)
        return None, complaints + [complaint for complaint in more if complaint.loc not in told]
    return (None if complaints else fleet), complaints


def load_spec(path: Path) -> FleetSpec:
    """The fleet in the file ``path``.

    Raises SpecError: its ``detail`` holds every problem, one a line, as ``fleet.yaml:12:5 a.b.c: must …``.
    """
    checked = check_spec(path)
    if checked.fleet is None:
        raise spec_error(checked.problems)
    return checked.fleet


def spec_error(problems: tuple[Problem, ...]) -> SpecError:
    """All problems of one file as one error."""
    first = problems[0]
    if first.line is None:
        return SpecError(first.message, where=first.file, todo=first.todo)
    count = f"{len(problems)} mistakes" if len(problems) > 1 else "1 mistake"
    lines = [str(problem) for problem in problems[:_MOST_SHOWN]]
    if len(problems) > _MOST_SHOWN:
        lines.append(f"and {len(problems) - _MOST_SHOWN} more")
    todo = first.todo or "mend them, then check with: du-infra validate; docs/fleet.md explains every key"
    return SpecError(count, where=first.file, detail="\n".join(lines), todo=todo)


def region_of(fleet: FleetSpec, name: str) -> RegionSpec:
    """The region called ``name``. Raises SpecError, which names the regions there are."""
    if name in fleet.regions:
        return fleet.regions[name]
    todo = did_you_mean(name, list(fleet.regions)) or f"regions of {fleet.fleet}: {', '.join(fleet.regions)}"
    raise SpecError(f"there is no region {name}", where=f"fleet {fleet.fleet}", todo=todo)


def services_of(fleet: FleetSpec, region_name: str) -> dict[str, ServiceSpec]:
    """The services that run in a region, by name, in the order of the file. Raises SpecError for no such region."""
    chosen = region_of(fleet, region_name).services
    return {name: spec for name, spec in fleet.services.items() if chosen is None or name in chosen}
