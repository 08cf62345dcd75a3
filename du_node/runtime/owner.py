"""Whom an image runs as: what a service's volumes and secrets must belong to, so that it can use them."""

from __future__ import annotations

from collections.abc import Callable

from du_node.errors import NodeError

Owner = tuple[int, int]
"""Numbers of a user and of its group."""


def owner_of(user: str, passwd: Callable[[], str]) -> Owner:
    """The numbers behind an image's ``User`` ("", "1000", "1000:1000", "app", "app:app").

    ``passwd`` reads the image's /etc/passwd; it is asked only where there is a name. Raises NodeError image when the
    name is not in it.
    """
    name, _, group = user.partition(":")
    if not name:
        return 0, 0
    if name.isdecimal():
        return int(name), int(group) if group.isdecimal() else 0
    for line in passwd().splitlines():
        fields = line.split(":")
        if len(fields) > 3 and fields[0] == name and fields[2].isdecimal() and fields[3].isdecimal():
            return int(fields[2]), int(group) if group.isdecimal() else int(fields[3])
    todo = "name the user by its number in the image (USER 1000)"
    raise NodeError("image", f"the image runs as {name:.60}, and its /etc/passwd does not say who that is", todo=todo)
