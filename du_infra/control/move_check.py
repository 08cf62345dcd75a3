"""What cannot be moved to another provider, why not, and what does not move along."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from du_infra.control.release.past import under_way
from du_infra.control.release.resolve import over_words
from du_infra.control.traffic.entrance import Entrance
from du_infra.control.traffic.wish import course_of
from du_infra.errors import Refused, SpecError
from du_infra.spec import RegionSpec, region_of, services_of
from du_infra.spec.traffic import GdnsdSpec


def check_move(entrance: Entrance, old: str, new: str, provider: str) -> None:
    """Raises SpecError for what is not there, and Refused for what may not be done, with the reason."""
    _no_such(provider)
    fleet = entrance.fleet
    if old not in fleet.regions and new in fleet.regions:
        raise SpecError(f"there is no region {old}, and there is {new}: it has moved", where=f"fleet {fleet.fleet}")
    here = region_of(fleet, old)
    if fleet.traffic is None:
        raise Refused(
            "fleet.yaml has no traffic:, so nobody can be led from one region to another",
            where=old,
            todo=f"write traffic: (docs/fleet.md); or bring a new region up, change DNS by hand, then take {old} down",
        )
    if reason := next(_reasons(entrance, old, new, here, provider), None):
        raise Refused(reason[0], where=old, todo=reason[1])


def notes_of(entrance: Entrance, old: str, new: str) -> tuple[str, ...]:
    """What a person should know before a yes."""
    return tuple(_notes(entrance, old, new))


def _no_such(provider: str) -> None:
    known = get_args(RegionSpec.model_fields["provider"].annotation)
    if provider not in known:
        words = f"du-infra has no driver for provider {provider}"
        raise SpecError(words, where="--provider", todo=f"what it has: {', '.join(known)}")


def _reasons(entrance: Entrance, old: str, new: str, here: RegionSpec, provider: str) -> Iterator[tuple[str, str]]:
    there = entrance.fleet.regions.get(new)
    if new == old:
        yield "the new region needs a name of its own", f"add --as {old}-2, say"
    if there is None and old not in entrance.store.regions():
        yield "the region is not up", f"change its provider in fleet.yaml, then `du-infra region up {old}`"
    if there is not None and there != here.model_copy(update={"provider": provider}):
        yield f"there is a region {new} already, and it is not as {old} is, at {provider}", "choose another --as"
    if here.runtime == "k3s" and here.k3s.datastore:
        yield "its cluster is kept in an external datastore, which the new one would share", "see docs/k3s-external.md"
    if entrance.spec.freeze:
        yield "guard freeze: nothing may be changed", "write freeze: false in fleet.yaml"
    yield from _on_its_way(entrance, old, new)
    if entrance.spec.backend == "gdnsd" and _answers_alone(entrance.spec.gdnsd, {old, new}):
        todo = "have another region answer, too (traffic.gdnsd.regions), and tell the parent zone of it"
        yield "its nodes alone answer DNS", todo


def _on_its_way(entrance: Entrance, old: str, new: str) -> Iterator[tuple[str, str]]:
    """What is just changing, or runs over what fleet.yaml says: the new region would get something else."""
    course = course_of(entrance)
    if course.under_way:
        yield f"{course.service} goes through the world, by waves", "wait for its end, or abort it"
    if new in course.drained:
        yield f"{new} is drained, so that nobody would be led there", f"`du-infra traffic undrain {new}`"
    if entrance.store.pool(new).nodes:
        return  # it has begun
    context = entrance.regions[old]
    for service, words in (*over_words(context).items(), *under_way(context).items()):
        yield f"{service}: {words}", f"write in fleet.yaml what {old} runs (its tag, say), or end the release"


def _answers_alone(spec: GdnsdSpec, moving: set[str]) -> bool:
    return bool(spec.regions) and not spec.servers and not set(spec.regions) - moving


def _notes(entrance: Entrance, old: str, new: str) -> Iterator[str]:
    spec = entrance.spec
    for name, service in services_of(entrance.fleet, old).items():
        if service.volumes:
            yield f"{name} has volumes: what is on them does not move, and is lost with {old}"
    if old in spec.addresses and new not in spec.addresses:
        yield f"traffic.addresses has {spec.addresses[old]} for {old}; {new} is given out with its own address"
    if old in spec.route53.health_checks and new not in spec.route53.health_checks:
        yield f"{new} has no health check of Route 53: make one, and write it in traffic.route53.health_checks"
    if spec.backend == "gdnsd" and old in spec.gdnsd.regions:
        yield f"nodes of {old} answer DNS, and those of {new} will: have the parent zone name them before {old} is gone"
