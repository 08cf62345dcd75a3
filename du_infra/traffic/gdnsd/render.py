"""A record as gdnsd's files: configuration, zone, states. Pure.

Weights, addresses and TTL stand in the first two, which gdnsd reads when it starts or is replaced; who is up stands in
``states``, which it watches (gdnsd-plugin-extfile(8), direct mode). All three lie in one folder that is named by the
zone's serial, so that one change of a link is the change of all.

- gdnsd takes no weight 0 (gdnsd-plugin-weighted(8), "limits"). A drained region stands in a resource that no name
  refers to: it is known and watched, and given to nobody, whatever its state.
- ``up_thresh``: by default gdnsd gives a region that is down its share again when it has half of the weights. As low
  as here, that happens only when none is up; then all are answered by their weights.
- ``def_down``: a region that ``states`` forgets is down. Without the file all are up.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from du_infra.traffic.gdnsd.setup import Server, Zone
from du_infra.traffic.state import Endpoint, Record
from du_infra.traffic.where import joined, split

CONFIG = "config"
STATES = "states"
PREFIX = "r_"
"""Before each region's name: a region may be called ``multi``, which is a word of gdnsd's own."""

_STATES_SECONDS = 2
_PARKED_WEIGHT = 1


def files(zone: Zone, server: Server, record: Record, serial: int, revision: int) -> dict[str, str]:
    """All files of one server, by their path in the folder of ``serial``; ``revision`` counts the states' changes."""
    return {
        CONFIG: config(server, record, serial),
        f"zones/{zone.zone}": zone_file(zone, record.ttl, serial),
        STATES: states(record, revision),
    }


def folder_of(server: Server, serial: int) -> Path:
    """Where the files of ``serial`` lie on the server."""
    return server.folder / "records" / str(serial)


def config(server: Server, record: Record, serial: int) -> str:
    """gdnsd.config(5)."""
    watched = quoted(str(folder_of(server, serial) / STATES))
    live = {name: one for name, one in record.endpoints.items() if one.weight > 0}
    drained = {name: one for name, one in record.endpoints.items() if one.weight == 0}
    lines = [
        "# Written by du-infra; changes by hand are overwritten.",
        f"# ttl {record.ttl}",
        "options => {",
        f"  listen => [ {', '.join(quoted(_listen(where)) for where in server.listen)} ]",
        "  udp_threads => 1",
        "  tcp_threads => 1",
        "  min_ttl => 1",
        f"  run_dir => {quoted(str(server.run_dir))}",
        f"  state_dir => {quoted(str(server.state_dir))}",
        "}",
        "service_types => {",
        "  regions => {",
        f"    plugin => extfile, file => {watched}, direct => true, def_down => true",
        f"    def_ttl => {record.ttl}, interval => {_STATES_SECONDS}",
        "  }",
        "}",
        "plugins => { weighted => {",
        "  service_types => regions, multi => false, up_thresh => 0.0001",
        *_resource("live", live),
        *(_resource("drained", drained) if drained else ()),
        "} }",
    ]
    return "\n".join(lines) + "\n"


def zone_file(zone: Zone, ttl: int, serial: int) -> str:
    """gdnsd.zonefile(5). TTL/TTL: gdnsd would answer anything down to half of it otherwise."""
    nameservers = sorted(zone.nameservers.items())
    kinds = {host: "AAAA" if ":" in address else "A" for host, address in nameservers}
    lines = [
        f"@ 60 SOA {nameservers[0][0]} hostmaster ( {serial} 3600 600 604800 60 )",
        *(f"@ 3600 NS {host}" for host, _ in nameservers),
        *(f"{host} 3600 {kinds[host]} {address}" for host, address in nameservers),
        f"{zone.label} {ttl}/{ttl} DYNA weighted!live",
    ]
    return "\n".join(lines) + "\n"


def states(record: Record, revision: int) -> str:
    """The file of gdnsd-plugin-extfile(8)."""
    lines = [
        f"{quoted(one.address)} => {'UP' if one.up else 'DOWN'}/{record.ttl}"
        for _, one in sorted(record.endpoints.items())
    ]
    return "\n".join([f"# revision {revision}", *lines]) + "\n"


def quoted(text: str) -> str:
    """A scalar of gdnsd's configuration language, whatever is in it; gdnsd.config(5) has the escapes."""
    escaped = (
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\' else f"\\{byte:03d}"
        for byte in text.encode("utf-8", "surrogateescape")
    )
    return f'"{"".join(escaped)}"'


def _resource(name: str, endpoints: Mapping[str, Endpoint]) -> list[str]:
    lines = [
        f"    {PREFIX}{region} => [ {quoted(one.address)}, {one.weight or _PARKED_WEIGHT} ]"
        for region, one in sorted(endpoints.items())
    ]
    return [f"  {name} => {{", *lines, "  }"]


def _listen(where: str) -> str:
    return joined(*split(where))
