"""Hetzner's DNS zones through hcloud."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from du_infra.errors import Busy, DuError, EngineFailed, ToolMissing, Unreachable
from du_infra.traffic.check import fits, unchanged
from du_infra.traffic.hetzner.sets import NOTHING, RRset, labels, record, steps
from du_infra.traffic.state import Capabilities, Record

_MOST = 50
_MIN_TTL = 60
_SECONDS = 15.0
_KINDS = ("A", "AAAA")


class Hetzner:
    """One name in a zone that stands already. ``token``: of the project that has the zone; it is kept nowhere.

    ``endpoint``: another API than Hetzner's. ``poll``: seconds between two looks at a change under way.
    """

    def __init__(self, zone: str, name: str, token: str, *, endpoint: str | None = None, poll: float = 1.0) -> None:
        self._zone, self._name, self._token = zone, name, token
        self._endpoint, self._poll = endpoint, poll

    def capabilities(self) -> Capabilities:
        """Who asks gets all regions that are in, and picks one. The answer changes in one step; what is remembered of
        regions that are out in another.
        """
        return Capabilities(weights=False, health=False, atomic=True, min_ttl=_MIN_TTL)

    def servers(self) -> Sequence[str]:
        """The zone's name servers, as names."""
        with _translated(self._name):
            assigned = self._client().zones.get(self._zone).authoritative_nameservers.assigned
        return [str(server).rstrip(".") for server in assigned or ()]

    def read(self) -> Record | None:
        """See ``driver.Backend``. Raises Refused when addresses of the name are not ours."""
        with _translated(self._name):
            return record(self._name, *self._found(self._client().zones.get(self._zone)))

    def write(self, wanted: Record, was: Record | None) -> None:
        """See ``driver.Backend``. Hetzner compares nothing: a writer in the moment between our look and our change is
        not noticed.
        """
        fits(wanted, self.capabilities(), name=self._name, backend="Hetzner's DNS", most=_MOST)
        with _translated(self._name):
            zone = self._client().zones.get(self._zone)
            own, parked = self._found(zone)
            unchanged(record(self._name, own, parked), was, self._name)
            for which, rrset in steps(wanted, own, parked):
                self._set(zone, labels(self._name, self._zone)[which == "parked"], wanted.kind, rrset)

    def _found(self, zone: Any) -> tuple[RRset, RRset]:
        """What stands under the name and what is parked, of either kind of address."""
        own, parked = (self._at(zone, label) for label in labels(self._name, self._zone))
        return own, parked

    def _at(self, zone: Any, label: str) -> RRset:
        found = [one for one in zone.get_rrset_all(name=label, type=list(_KINDS)) if one.records]
        records = {each.value: each.comment or "" for one in found for each in one.records}
        return RRset(max(one.ttl or zone.ttl for one in found), records) if found else NOTHING

    def _set(self, zone: Any, label: str, of_kind: str, rrset: RRset) -> None:
        from hcloud.zones import ZoneRecord

        there = {one.type: one for one in zone.get_rrset_all(name=label, type=list(_KINDS))}
        records = [ZoneRecord(value, comment) for value, comment in sorted(rrset.records.items())]
        now = there.pop(of_kind, None)
        if now is None and records:
            zone.create_rrset(name=label, type=of_kind, ttl=rrset.ttl, records=records).action.wait_until_finished()
        elif now is not None and records:
            if now.ttl != rrset.ttl:
                now.change_rrset_ttl(rrset.ttl).wait_until_finished()
            now.set_rrset_records(records).wait_until_finished()
        for old in (*there.values(), *([now] if now is not None and not records else [])):
            old.delete_rrset().action.wait_until_finished()

    def _client(self) -> Any:
        import hcloud

        where: dict[str, Any] = {"api_endpoint": self._endpoint} if self._endpoint else {}
        return hcloud.Client(
            self._token, application_name="du-infra", poll_interval=self._poll, timeout=_SECONDS, **where
        )


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """hcloud's errors as ours."""
    try:
        import requests
        from hcloud import APIException, HCloudException
    except ModuleNotFoundError as error:
        raise ToolMissing("hcloud is not installed", todo="pip install hcloud") from error
    try:
        yield
    except APIException as error:
        raise _refused(str(error.code), str(error), where) from error
    except HCloudException as error:
        raise EngineFailed("Hetzner did not carry out the change", where=where, detail=str(error)) from error
    except requests.RequestException as error:
        raise Unreachable(
            "Hetzner's API does not answer", where=where, todo="check the network", detail=str(error)
        ) from error


def _refused(code: str, words: str, where: str) -> DuError:
    if code in ("conflict", "locked"):
        return Busy("something else is being done to the zone", where=where, todo="try again", detail=words)
    if code in ("unauthorized", "forbidden"):
        return EngineFailed("Hetzner refuses us", where=where, todo="check the token (HCLOUD_TOKEN)", detail=words)
    if code == "not_found":
        return EngineFailed("there is no such zone in the token's project", where=where, detail=words)
    return EngineFailed("Hetzner said no", where=where, detail=words)
