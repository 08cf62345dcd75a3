"""K3s from one version to another: one node at a time, servers before agents, one minor after the other. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from du_infra.cluster.action import NOTHING, Action, Turn, one, wait
from du_infra.cluster.backup import first_backed_up
from du_infra.cluster.quorum import learners, voters
from du_infra.cluster.standing import keeps_data, names, servers, stopped, wanted, well
from du_infra.cluster.state import Member, Observed, Wish
from du_infra.cluster.versions import highest, lowest, minor, next_version, parse


def upgrade(wish: Wish, observed: Observed) -> Turn:
    """The next step towards ``wish.version``; in words, what has to come first."""
    if newer := [m for m in _all(wish, observed) if parse(m.version) > parse(wish.version)]:
        return wait(f"{names(newer)} runs {newer[0].version}, and K3s does not go back to {wish.version}")
    member = next_to_upgrade(wish, observed)
    if member is None:
        return NOTHING
    version = _version_for(member, wish, observed)
    if not version:
        first = f"v{parse(member.version)[0]}.{minor(member.version) + 1}"
        return wait(
            f"{member.name} runs {member.version}, and K3s goes up one minor at a time: "
            f"{first} comes before {wish.version}, so write a release of it as k3s.version first"
        )
    if in_the_way := _not_now(wish, observed):
        return wait(in_the_way)
    why = f"{member.version} → {version}"
    if member.role != "agent" and (backup := first_backed_up(observed, f"the upgrade to {version}")):
        return one(backup)
    if _moves_pods(member, wish, observed):
        return one(Action("drain", member.name, why))
    return one(Action("upgrade", member.name, why, version=version))


def next_to_upgrade(wish: Wish, observed: Observed) -> Member | None:
    """Whose turn it is: servers until all have the same version, then agents up to that, then servers again."""
    everyone = _all(wish, observed)
    serving, agents = _servers(everyone), [m for m in everyone if m.role == "agent"]
    if not serving:
        return None
    oldest = lowest(m.version for m in serving)
    behind = [m for m in agents if parse(m.version) < parse(oldest)]
    if oldest == highest(m.version for m in serving) and behind:
        return _oldest(behind)
    return _oldest(serving) if parse(oldest) < parse(wish.version) else None


def _all(wish: Wish, observed: Observed) -> list[Member]:
    there = [m for m in observed.members if m.joined and m.role and m.machine != "gone" and not m.dead]
    return [m for m in there if (wanted(m, wish) and m.role != "witness") or keeps_data(m)]


def _servers(members: Sequence[Member]) -> list[Member]:
    return [m for m in members if m.role in ("server", "witness")]


def _oldest(members: Sequence[Member]) -> Member:
    """The one with the oldest version; of equals the one that is under way."""
    return min(members, key=lambda m: (parse(m.version), not m.cordoned, m.name))


def _version_for(member: Member, wish: Wish, observed: Observed) -> str:
    """Up to the newest server first, so that they are never two minors apart; then on to what is wanted."""
    versions = [m.version for m in _servers(_all(wish, observed))]
    if member.role == "agent":
        return next_version(member.version, lowest(versions), wish.releases) or lowest(versions)
    goal = highest(versions) if lowest(versions) != highest(versions) else wish.version
    return next_version(member.version, goal, wish.releases)


def _not_now(wish: Wish, observed: Observed) -> str:
    """Why nobody is upgraded at this moment; "" when somebody may be."""
    unwell = [m for m in observed.members if _counts(m, wish) and not well(m)]
    if unwell:
        return f"the upgrade to {wish.version} waits until {names(unwell)} is well"
    if not any(well(m) for m in servers(observed)):
        return f"the upgrade to {wish.version} waits until a server is well"
    if learners(observed) or len(voters(observed)) == 2 or any(m.removing for m in voters(observed)):
        return f"the upgrade to {wish.version} waits until the servers are complete"
    return ""


def _counts(member: Member, wish: Wish) -> bool:
    """Whether nobody is upgraded while it is not well: it votes, it serves the API, or it is on its way in."""
    if member.role in ("server", "witness") and member.joined and not member.dead and not stopped(member):
        return True
    begun = member.joined or member.service in ("running", "starting")
    return member.etcd is not None or (wanted(member, wish) and member.role == "agent" and begun)


def _moves_pods(member: Member, wish: Wish, observed: Observed) -> bool:
    """Whether its pods are to go elsewhere first. Where there is no elsewhere they run on while K3s restarts."""
    others = [m for m in _all(wish, observed) if m.name != member.name and m.role != "witness"]
    takes = [m for m in others if well(m) and not m.cordoned]
    return bool(takes) and member.role != "witness" and not member.drained
