"""Route 53 through boto3, which takes credentials from where it always does (environment, files, roles)."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from du_infra.errors import Busy, DuError, EngineFailed, ToolMissing, Unreachable
from du_infra.progress import Event, Reporter
from du_infra.traffic.check import fits, unchanged
from du_infra.traffic.route53.sets import changes, names, ours, record
from du_infra.traffic.state import Capabilities, Record

STAGE = "traffic"

_MOST = 100
"""Record sets of one name and type, by Route 53's quotas."""

_INSYNC_SECONDS = 90
_POLL = 2.0


class Route53:
    """One name in a public hosted zone that stands already. ``zone_id`` ("Z…") is looked up when it is None.
    ``checks``: the id of each region's health check. They are made before, since an emergency is no time to make them.

    ``endpoint_url``: another API than Amazon's.
    """

    def __init__(
        self,
        zone: str,
        name: str,
        report: Reporter,
        *,
        zone_id: str | None = None,
        checks: Mapping[str, str] | None = None,
        endpoint_url: str | None = None,
    ) -> None:
        self._zone, self._name, self._report = zone, name, report
        self._known_id, self._checks, self._endpoint_url = zone_id, dict(checks or {}), endpoint_url

    def capabilities(self) -> Capabilities:
        """A change is one batch, which Route 53 carries out as a whole or not at all."""
        return Capabilities(weights=True, health=bool(self._checks), atomic=True, min_ttl=1)

    def servers(self) -> Sequence[str]:
        """The zone's delegation set, as names."""
        with _translated(self._name):
            client = self._client()
            zone = client.get_hosted_zone(Id=self._zone_id(client))
        return [str(server) for server in zone["DelegationSet"]["NameServers"]]

    def read(self) -> Record | None:
        """See ``driver.Backend``. Raises Refused when record sets of the name are not ours."""
        with _translated(self._name):
            return record(self._name, self._found(self._client()))

    def write(self, wanted: Record, was: Record | None) -> None:
        """See ``driver.Backend``. Comes back once all servers have it, or warns that they do not after a while."""
        fits(wanted, self.capabilities(), name=self._name, backend="Route 53", most=_MOST)
        with _translated(self._name):
            client = self._client()
            found = self._found(client)
            unchanged(record(self._name, found), was, self._name)
            if batch := changes(wanted, self._checks, found):
                self._settle(client, self._submit(client, batch))

    def _submit(self, client: Any, batch: Sequence[Mapping[str, Any]]) -> str:
        done = client.change_resource_record_sets(
            HostedZoneId=self._zone_id(client), ChangeBatch={"Comment": "du-infra", "Changes": batch}
        )
        return str(done["ChangeInfo"]["Id"])

    def _settle(self, client: Any, change: str) -> None:
        deadline = time.monotonic() + _INSYNC_SECONDS
        while client.get_change(Id=change)["ChangeInfo"]["Status"] != "INSYNC":
            if time.monotonic() > deadline:
                self._report(Event("warning", STAGE, f"Route 53's servers do not all have change {change} yet"))
                return
            time.sleep(_POLL)

    def _found(self, client: Any) -> list[dict[str, Any]]:
        """The record sets under the record's two names. Route 53 lists by name: each is asked for by itself."""
        return [one for name in names(self._name) for one in self._sets_at(client, name)]

    def _sets_at(self, client: Any, name: str) -> Iterator[dict[str, Any]]:
        pages = client.get_paginator("list_resource_record_sets").paginate(
            HostedZoneId=self._zone_id(client), StartRecordName=f"{name}.", StartRecordType="A"
        )
        for page in pages:
            for one in page["ResourceRecordSets"]:
                if one["Name"].rstrip(".") != name:
                    return
                if ours(one, self._name):
                    yield one

    def _zone_id(self, client: Any) -> str:
        """Of the one public zone that has the name; it is asked for once."""
        if self._known_id is None:
            named = client.list_hosted_zones_by_name(DNSName=f"{self._zone}.")["HostedZones"]
            fitting = [one for one in named if one["Name"] == f"{self._zone}." and not one["Config"]["PrivateZone"]]
            if len(fitting) != 1:
                words = f"there are {len(fitting)} public hosted zones of this name"
                raise EngineFailed(words, where=self._zone, todo="name one by its id (traffic: route53: zone_id)")
            self._known_id = str(fitting[0]["Id"]).rpartition("/")[2]
        return self._known_id

    def _client(self) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        patience = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "max_attempts": 3})
        # A session of its own: boto3's common one keeps the credentials it once found, and is for one thread.
        return Session().client("route53", region_name="us-east-1", endpoint_url=self._endpoint_url, config=patience)


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """boto3's errors as ours."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ModuleNotFoundError as error:
        raise ToolMissing("boto3 is not installed", todo="pip install boto3") from error

    try:
        yield
    except ClientError as error:
        raise _refused(error, where) from error
    except BotoCoreError as error:
        raise _failed(error, where) from error


def _refused(error: Any, where: str) -> DuError:
    code, words = error.response["Error"]["Code"], str(error)
    if code in ("InvalidChangeBatch", "PriorRequestNotComplete"):
        return Busy("Route 53 did not take the change: the record is not as it was", where=where, detail=words)
    if code == "NoSuchHostedZone":
        return EngineFailed("there is no such hosted zone", where=where, todo="check its id", detail=words)
    if "AccessDenied" in code or code in ("InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"):
        return EngineFailed("Route 53 refuses us", where=where, todo="check the AWS credentials", detail=words)
    return EngineFailed("Route 53 said no", where=where, detail=words)


def _failed(error: Exception, where: str) -> DuError:
    if type(error).__name__ in ("NoCredentialsError", "PartialCredentialsError"):
        return ToolMissing("there are no AWS credentials", where=where, todo="`aws configure`, or AWS_ACCESS_KEY_ID …")
    return Unreachable("Route 53 does not answer", where=where, todo="check the network", detail=str(error))
