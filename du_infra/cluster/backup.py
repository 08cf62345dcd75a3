"""A copy of the datastore before anything that cannot be taken back. Pure."""

from __future__ import annotations

from du_infra.cluster.action import Action
from du_infra.cluster.standing import servers, well
from du_infra.cluster.state import Observed

FRESH_SECONDS = 900.0


def fresh(observed: Observed) -> bool:
    """Whether the newest backup is of now, near enough."""
    return observed.backup is not None and observed.now - observed.backup.at <= FRESH_SECONDS


def first_backed_up(observed: Observed, before: str) -> Action | None:
    """What is still to be done for a backup ``before`` something, on a server that is well; None when there is one.

    One that nobody has read back is none. A datastore that is somebody else's is theirs to back up.
    """
    able = [member for member in servers(observed) if well(member)]
    if observed.datastore == "external" or not able:
        return None
    if not fresh(observed):
        return Action("backup", able[0].name, f"a copy of the data before {before}")
    if observed.backup and not observed.backup.verified:
        return Action("verify-backup", able[0].name, f"the copy has to be read back before {before}")
    return None
