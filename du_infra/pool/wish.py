"""fleet.yaml's number of nodes against a scale's, which holds until fleet.yaml's pool says something new. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from du_infra.errors import Refused, SpecError
from du_infra.release.plan import digest_of
from du_infra.spec import PoolSpec

# How large machines are says nothing of how many there should be.
_HOW_MANY = {"nodes", "min", "max"}


@dataclass(frozen=True)
class Scaled:
    """Somebody asked for ``nodes``, when fleet.yaml's pool had this ``mark``. ``time`` in Unix seconds."""

    nodes: int
    mark: str
    actor: str = ""
    time: float = 0.0


def mark_of(pool: PoolSpec) -> str:
    """A hash of what fleet.yaml says of how many nodes there should be: 16 hex digits."""
    return digest_of(pool.model_dump(mode="json", include=_HOW_MANY))[:16]


def nodes_wanted(pool: PoolSpec, scaled: Scaled | None) -> int:
    """How many nodes a region should have: the last scale's word where it still holds, else fleet.yaml's."""
    return scaled.nodes if holds(pool, scaled) and scaled else pool.wanted


def holds(pool: PoolSpec, scaled: Scaled | None) -> bool:
    """Whether a scale's word still counts: fleet.yaml's pool is as it was then."""
    return scaled is not None and scaled.mark == mark_of(pool)


def words(pool: PoolSpec, scaled: Scaled | None) -> str:
    """What a person is told of a scale that holds; "" where fleet.yaml's word counts."""
    if not scaled or not holds(pool, scaled) or scaled.nodes == pool.wanted:
        return ""
    return f"{scaled.nodes} node(s), scaled by {scaled.actor} over fleet.yaml's {pool.wanted}"


def check(region: str, pool: PoolSpec, nodes: int) -> None:
    """Raises SpecError for a number that no region may have, Refused for one outside of fleet.yaml's min and max."""
    where = f"regions.{region}.pool"
    if nodes < 1:
        todo = f"`du-infra region down {region}` takes the whole region away"
        raise SpecError(f"a region has at least 1 node (got {nodes})", where=where, todo=todo)
    if not pool.least <= nodes <= pool.most:
        what = f"{nodes} node(s) are not between {pool.least} and {pool.most}"
        bounded = pool.min is not None or pool.max is not None
        todo = "change min or max in fleet.yaml first" if bounded else "ask for fewer; more regions can have more"
        raise Refused(what, where=where, todo=todo)
