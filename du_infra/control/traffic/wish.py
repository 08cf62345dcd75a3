"""What is wanted of the entrance: fleet.yaml's word, and what people asked for since; kept as courses in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from du_infra.control.traffic.entrance import Entrance
from du_infra.errors import SpecError
from du_infra.store.database import actor
from du_infra.traffic import course as courses
from du_infra.traffic.course import Course
from du_infra.traffic.shares import HUNDRED

BY_FILE = "fleet.yaml says so"


def course_of(entrance: Entrance) -> Course:
    """What is wanted now; changes nothing. One that fleet.yaml came to say, and that is not kept yet, has no number."""
    asked = by_file(entrance)
    newest = entrance.store.traffic.course(entrance.name)
    if newest is None:
        return replace(courses.first_course(asked), why=BY_FILE)
    said = courses.follow(newest, asked)
    return replace(said, why=BY_FILE) if said else newest


def by_file(entrance: Entrance) -> dict[str, int]:
    """The weights that fleet.yaml has, of all regions."""
    chosen = entrance.spec.weights
    return {name: 1 if chosen is None else chosen.get(name, 0) for name in entrance.fleet.regions}


def keep(entrance: Entrance, course: Course, why: str = "") -> Course:
    """Have it wanted from now on. Raises Busy when somebody else wanted something else meanwhile."""
    return entrance.store.traffic.set_course(entrance.name, course, actor(), why or course.why)


def shifted(course: Course, shares: Mapping[str, int]) -> Course:
    """These regions get so many percent each; all others share the rest as they did.

    Raises what ``course.shift`` does, and SpecError when it is more than everything, or everything is named and it is
    less.
    """
    if len(shares) == 1:
        return courses.shift(course, *next(iter(shares.items())))
    for name, percent in shares.items():
        courses.may_shift(course, name, percent)
    total = sum(shares.values())
    others = {name: weight for name, weight in course.goal(course.weights).items() if name not in shares and weight}
    if total > HUNDRED or (total < HUNDRED and not others):
        todo = "leave one region out to have it get the rest" if total < HUNDRED else "ask for 100 % at most"
        raise SpecError(f"the shares add up to {total} %", where=" ".join(shares), todo=todo)
    return courses.share_out(course, shares)
