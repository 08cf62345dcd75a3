"""Rules between ``traffic:`` and the rest of a fleet file. They look at plain data, as those of ``cross`` do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from du_infra.spec.complaints import Complaint, Loc, quoted
from du_infra.spec.suggest import did_you_mean
from du_infra.spec.traffic import HetznerSpec, Route53Spec, TrafficSpec
from du_infra.spec.values import Duration

_BY_REGION: tuple[Loc, ...] = (("weights",), ("addresses",), ("capacity",), ("route53", "health_checks"))
_BACKENDS = ("gdnsd", "route53", "hetzner")
_USUAL: Mapping[str, Any] = {
    "gdnsd": {"servers": [], "regions": [], "addresses": {}},
    "route53": Route53Spec().model_dump(mode="json"),
    "hetzner": HetznerSpec().model_dump(mode="json"),
}


def traffic_complaints(fleet: Mapping[str, Any]) -> Iterator[Complaint]:
    """What does not fit together. Parts of the wrong type are skipped: other rules speak about them."""
    traffic, regions = fleet.get("traffic"), fleet.get("regions")
    if not isinstance(traffic, dict):
        return
    yield from _another_backend(traffic)
    yield from _twice_the_same(traffic)
    yield from _two_families(traffic, list(regions) if isinstance(regions, dict) else [])
    yield from _hold_over_down(traffic)
    if isinstance(regions, dict) and regions:
        yield from _unknown(traffic, list(regions))
        yield from _no_machine(fleet.get("fleet"), _mapping(traffic.get("gdnsd")))
        yield from _waves(traffic.get("waves"), list(regions))
        yield from _enough_regions(traffic, list(regions))


def _unknown(traffic: Mapping[str, Any], regions: list[str]) -> Iterator[Complaint]:
    for loc in _BY_REGION:
        for name in _mapping(_inside(traffic, loc)):
            yield from _no_such(name, ("traffic", *loc, name), regions)
    for index, name in enumerate(_listed(_inside(traffic, ("gdnsd", "regions")))):
        yield from _no_such(name, ("traffic", "gdnsd", "regions", index), regions)


def _no_machine(fleet: Any, gdnsd: Mapping[str, Any]) -> Iterator[Complaint]:
    """Which machines there are only the store knows, and what they are called everybody."""
    heads = [f"{fleet}-{name}-" for name in _listed(gdnsd.get("regions"))]
    for name in _mapping(gdnsd.get("addresses")):
        if not any(str(name).startswith(head) and str(name)[len(head) :].isdecimal() for head in heads):
            example = f", such as {heads[0]}1" if heads else ", and regions names none"
            words = f"must be a machine of a region that runs gdnsd{example}"
            yield Complaint(words, ("traffic", "gdnsd", "addresses", name))


def _no_such(name: Any, loc: Loc, regions: list[str]) -> Iterator[Complaint]:
    if isinstance(name, str) and name not in regions:
        hint = did_you_mean(name, regions)
        yield Complaint(f"there is no region {quoted(name)}{hint and f' ({hint})'}", loc)


def _waves(waves: Any, regions: list[str]) -> Iterator[Complaint]:
    """Each region stands in exactly one wave; an empty list of waves is one that has forgotten all."""
    if not isinstance(waves, list | tuple) or not all(isinstance(wave, list | tuple) for wave in waves):
        return
    seen: dict[str, int] = {}
    for number, wave in enumerate(waves):
        for index, name in enumerate(wave):
            loc = ("traffic", "waves", number, index)
            yield from _no_such(name, loc, regions)
            if isinstance(name, str) and name in seen:
                yield Complaint(f"{quoted(name)} is in wave {seen[name] + 1} already", loc)
            elif isinstance(name, str):
                seen[name] = number
    if missing := [name for name in regions if name not in seen and isinstance(name, str)]:
        names = ", ".join(name if name.isprintable() else quoted(name) for name in missing[:5])
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        yield Complaint(f"must name each region once: {names}{more} in no wave", ("traffic", "waves"))


def _enough_regions(traffic: Mapping[str, Any], regions: list[str]) -> Iterator[Complaint]:
    weights, least = traffic.get("weights"), traffic.get("min_regions", 1)
    weighted = len(regions)
    if isinstance(weights, dict):
        weighted = sum(1 for name, one in weights.items() if name in regions and one != 0)
        if not weighted and not any(name not in regions for name in weights):
            yield Complaint("must give at least one region more than 0", ("traffic", "weights"))
            return
    if isinstance(least, int) and not isinstance(least, bool) and weighted < least <= 1000:
        words = f"must be at most the number of regions with a weight, which is {weighted} (got {least})"
        yield Complaint(words, ("traffic", "min_regions"))


def _twice_the_same(traffic: Mapping[str, Any]) -> Iterator[Complaint]:
    seen: dict[str, str] = {}
    for name, address in _mapping(traffic.get("addresses")).items():
        if isinstance(address, str) and isinstance(name, str):
            first = seen.setdefault(address, name)
            if first != name:
                shown = first if first.isprintable() else quoted(first)
                yield Complaint(f"is the address of region {shown} as well", ("traffic", "addresses", name))


def _two_families(traffic: Mapping[str, Any], regions: list[str]) -> Iterator[Complaint]:
    """Whoever asks for one kind of address would get other shares than these; a region's own address is IPv4."""
    given = {name: one for name, one in _mapping(traffic.get("addresses")).items() if isinstance(one, str)}
    if all(":" in one for one in given.values()) and all(name in given for name in regions):
        return
    for name, address in given.items():
        if ":" in address:
            words = "is IPv6, and other regions have IPv4; all must be of one kind"
            yield Complaint(words, ("traffic", "addresses", name))


def _another_backend(traffic: Mapping[str, Any]) -> Iterator[Complaint]:
    backend = traffic.get("backend", TrafficSpec.model_fields["backend"].default)
    if backend not in _BACKENDS:
        return
    for other, usual in _USUAL.items():
        asked = [key for key, value in _mapping(traffic.get(other)).items() if value != usual.get(key)]
        if other != backend and asked:
            yield Complaint(f"is for backend: {other}, and this one's is {backend}", ("traffic", other))


def _hold_over_down(traffic: Mapping[str, Any]) -> Iterator[Complaint]:
    """Who comes back as quickly as it goes is given out and taken out again all day."""
    hold, down = (traffic.get(key, TrafficSpec.model_fields[key].default) for key in ("hold", "down_after"))
    times = [text for text in (hold, down) if isinstance(text, str) and not Duration.rule.broken(text)]
    if len(times) == 2 and Duration(hold).seconds < Duration(down).seconds:
        where = "hold" if "hold" in traffic else "down_after"
        yield Complaint(
            f"hold must be at least as long as down_after: {quoted(str(hold))} is less than {quoted(str(down))}",
            ("traffic", where),
        )


def _inside(part: Any, loc: Loc) -> Any:
    for key in loc:
        part = _mapping(part).get(key)  # type: ignore[arg-type]
    return part


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
