"""Rules between parts of a fleet file. They look at plain data, so that they speak even when other parts are wrong.

That every machine's name fits in a host name needs no rule: two names of 20 characters and a number are under 63.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from du_infra.spec.complaints import Complaint, quoted
from du_infra.spec.cross_traffic import traffic_complaints
from du_infra.spec.k3s import K3sSpec
from du_infra.spec.suggest import did_you_mean, nearest
from du_infra.spec.values import Memory, Size

_SIZE_DEFAULT = "1c1g"
_RUNTIME_DEFAULT = "containerd"
_OTHER_RUNTIMES = ("containerd", "docker")


def cross_complaints(fleet: Mapping[str, Any]) -> Iterator[Complaint]:
    """What does not fit together. Parts of the wrong type are skipped: other rules speak about them."""
    services = _mapping(fleet.get("services"))
    known = _services_are_known(fleet)
    yield from _same_folder(services)
    yield from _copies(fleet, services)
    yield from traffic_complaints(fleet)
    for name, region in _mapping(fleet.get("regions")).items():
        region = _mapping(region)
        yield from _pool_in_bounds(name, _mapping(region.get("pool")))
        yield from _k3s_without_k3s(name, region)
        yield from _unknown_or_repeated(name, region, services if known else None)
        here = _services_here(region, services)
        yield from _same_address(name, here)
        yield from _too_large(name, region, here)


def _pool_in_bounds(region: str, pool: Mapping[str, Any]) -> Iterator[Complaint]:
    least, nodes, most = (_whole(pool.get(key)) for key in ("min", "nodes", "max"))
    loc = ("regions", region, "pool")
    if isinstance(pool.get("autoscale"), dict) and pool.get("max") is None:
        yield Complaint("needs max beside it: the most machines that may be made", (*loc, "autoscale"))
    if least and most and most < least:
        yield Complaint(f"must be at least min, which is {least} (got {most})", (*loc, "max"))
    elif nodes and least and nodes < least:
        yield Complaint(f"must be at least min, which is {least} (got {nodes})", (*loc, "nodes"))
    elif nodes and most and nodes > most:
        yield Complaint(f"must be at most max, which is {most} (got {nodes})", (*loc, "nodes"))


def _k3s_without_k3s(name: str, region: Mapping[str, Any]) -> Iterator[Complaint]:
    runtime = region.get("runtime", _RUNTIME_DEFAULT)
    usual = K3sSpec().model_dump()
    asked = [key for key, value in _mapping(region.get("k3s")).items() if value != usual.get(key)]
    if asked and runtime in _OTHER_RUNTIMES:
        yield Complaint(f"is for runtime: k3s, and this region's is {runtime}", ("regions", name, "k3s"))


def _unknown_or_repeated(
    name: str, region: Mapping[str, Any], services: Mapping[str, Any] | None
) -> Iterator[Complaint]:
    wanted = _names(region.get("services"))
    for index, service in enumerate(wanted):
        loc = ("regions", name, "services", index)
        if not isinstance(service, str):
            continue
        if service in wanted[:index]:
            yield Complaint(f"{quoted(service)} is listed twice", loc)
        elif services is not None and service not in services:
            hint = did_you_mean(service, list(services))
            yield Complaint(f"there is no service {quoted(service)}{hint and f' ({hint})'}", loc)


def _services_are_known(fleet: Mapping[str, Any]) -> bool:
    """Whether ``services`` can be trusted to list them all: not if it is misspelt or of another type."""
    if "services" in fleet:
        return isinstance(fleet["services"], dict)
    return not any(nearest(str(key), ["services"]) for key in fleet)


def _named(name: str) -> str:
    """A name as a sentence shows it: one that is not fit to be a name may hold anything."""
    return name if name.isprintable() and name.split() == [name] else quoted(name)


def _same_address(region: str, services: Mapping[str, Mapping[str, Any]]) -> Iterator[Complaint]:
    seen: dict[tuple[str, str], str] = {}
    for name, service in services.items():
        host, path = service.get("host"), service.get("path", "/")
        if not (host is None or isinstance(host, str)) or not isinstance(path, str):
            continue
        first = seen.setdefault((host or "", path.rstrip("/")), name)
        if first != name:
            where = f"host {quoted(host)}" if host else "any host"
            yield Complaint(
                f"has the same address as service {_named(first)} in region {_named(region)} "
                f"({where}, path {quoted(path)}): give one of them another host or path",
                ("services", name),
            )


def _same_folder(services: Mapping[str, Any]) -> Iterator[Complaint]:
    for name, service in services.items():
        seen: dict[str, str] = {}
        for volume, folder in _mapping(_mapping(service).get("volumes")).items():
            first = seen.setdefault(folder, volume) if isinstance(folder, str) else volume
            if first != volume:
                yield Complaint(
                    f"is the folder of volume {_named(first)} as well", ("services", name, "volumes", volume)
                )


def _copies(fleet: Mapping[str, Any], services: Mapping[str, Any]) -> Iterator[Complaint]:
    for name, service in services.items():
        service = _mapping(service)
        asked = service.get("replicas")
        least, most = (_whole(_mapping(asked).get(key)) for key in ("min", "max"))
        loc = ("services", name, "replicas")
        if most and most < least:
            yield Complaint(f"must be at least min, which is {least} (got {most})", (*loc, "max"))
        if max(least, most, _whole(asked)) <= 1:
            continue
        if _mapping(service.get("volumes")):
            yield Complaint("a service with volumes has one copy on each machine: two would share a folder", loc)
        for other, runtime in _without_copies(fleet, name):
            why = f"region {_named(other)} has runtime: {runtime}, where each machine runs one copy"
            yield Complaint(f"more than 1 needs runtime: k3s: {why}", loc)
            break


def _without_copies(fleet: Mapping[str, Any], service: str) -> Iterator[tuple[str, str]]:
    """The regions that run the service, each machine one copy of it, and their runtime."""
    for name, region in _mapping(fleet.get("regions")).items():
        region = _mapping(region)
        runtime, chosen = region.get("runtime", _RUNTIME_DEFAULT), region.get("services")
        if runtime in _OTHER_RUNTIMES and (chosen is None or service in _names(chosen)):
            yield name, runtime


def _too_large(
    region_name: str, region: Mapping[str, Any], services: Mapping[str, Mapping[str, Any]]
) -> Iterator[Complaint]:
    text = _mapping(region.get("pool")).get("size", _SIZE_DEFAULT)
    if not isinstance(text, str) or Size.rule.broken(text):
        return
    size = Size(text)
    limit = f"must be at most what a machine of region {_named(region_name)} has"
    for name, service in services.items():
        memory, cpus = service.get("memory"), service.get("cpus")
        if isinstance(memory, str) and not Memory.rule.broken(memory) and Memory(memory).mb > size.memory_mb:
            yield Complaint(f"{limit}: {size.memory_mb}m (got {quoted(memory)})", ("services", name, "memory"))
        if isinstance(cpus, int | float) and not isinstance(cpus, bool) and size.cpus < cpus <= 999:
            yield Complaint(f"{limit}: {size.cpus} (got {cpus:g})", ("services", name, "cpus"))


def _services_here(region: Mapping[str, Any], services: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    chosen = region.get("services")
    wanted = list(services) if chosen is None else _names(chosen)
    known = dict.fromkeys(name for name in wanted if isinstance(name, str) and name in services)
    return {name: services[name] for name in known if isinstance(services[name], dict)}


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _names(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []
