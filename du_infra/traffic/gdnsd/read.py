"""The record back from gdnsd's files. Pure.

Only what ``render`` writes is understood. A file that somebody else wrote or changed is said to be that, and is not
guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from du_infra.errors import Refused
from du_infra.traffic.gdnsd.render import CONFIG, PREFIX, STATES
from du_infra.traffic.state import Endpoint, Record

_TTL = re.compile(r"# ttl (\d+)")
_RESOURCE = re.compile(r"  (live|drained) => \{")
_REGION = re.compile(rf'    {PREFIX}([a-z0-9-]+) => \[ "([0-9a-f.:]+)", (\d+) \]')
_REVISION = re.compile(r"# revision (\d+)")
_STATE = re.compile(r'"([0-9a-f.:]+)" => (UP|DOWN)/\d+')


def record(name: str, files: Mapping[str, str], where: str) -> Record:
    """The record that these files serve; ``where`` names the server. Raises Refused when they are not ours.

    As gdnsd does, a region is down that the states forget, and up when there are no states at all.
    """
    config, ups = files.get(CONFIG, ""), dict(_states(files.get(STATES, "")))
    ttl = _first(_TTL, config)
    without = STATES not in files
    endpoints = {
        region: Endpoint(address, weight, ups.get(address, without)) for region, address, weight in _regions(config)
    }
    if ttl is None or not endpoints:
        raise Refused(
            "the configuration of gdnsd there is not one that du-infra wrote",
            where=where,
            todo="look at it; when nobody needs it, remove its folder, and du-infra writes a new one",
        )
    return Record(name, ttl, endpoints)


def revision(files: Mapping[str, str]) -> int:
    """How often the states were changed since the configuration was; 0 when nothing says so."""
    return _first(_REVISION, files.get(STATES, "")) or 0


def _regions(config: str) -> Iterator[tuple[str, str, int]]:
    live = False
    for line in config.splitlines():
        if resource := _RESOURCE.fullmatch(line):
            live = resource[1] == "live"
        elif region := _REGION.fullmatch(line):
            yield region[1], region[2], int(region[3]) if live else 0


def _states(text: str) -> Iterator[tuple[str, bool]]:
    for line in text.splitlines():
        if state := _STATE.fullmatch(line):
            yield state[1], state[2] == "UP"


def _first(pattern: re.Pattern[str], text: str) -> int | None:
    found = next((match for line in text.splitlines() if (match := pattern.fullmatch(line))), None)
    return int(found[1]) if found else None
