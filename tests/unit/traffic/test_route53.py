"""Route 53: one batch, guarded by what was there; never a weight of 0; credentials are boto3's own business."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from du_infra.errors import Busy, EngineFailed, Refused, ToolMissing, Unreachable
from du_infra.progress import silent
from du_infra.traffic.route53.backend import Route53
from tests.unit.traffic.gdnsd_bed import FRA, NAME, ZONE, record


def stands(aws: Any, zone_id: str, name: str = NAME) -> dict[str, dict[str, Any]]:
    found = aws.list_resource_record_sets(HostedZoneId=zone_id)["ResourceRecordSets"]
    return {one["SetIdentifier"]: one for one in found if one["Name"] == f"{name}." and "SetIdentifier" in one}


def batches(route53: Route53, monkeypatch: pytest.MonkeyPatch) -> list[list[dict[str, Any]]]:
    """The batches that are submitted from now on."""
    seen, real = [], route53._submit

    def submit(client: Any, batch: Any) -> str:
        seen.append([*batch])
        return real(client, batch)

    monkeypatch.setattr(route53, "_submit", submit)
    return seen


def test_under_the_name_stand_only_regions_that_may_be_answered(route53: Route53, aws: Any, zone_id: str) -> None:
    route53.write(record(25, 75, 0), None)
    assert {name: one["Weight"] for name, one in stands(aws, zone_id).items()} == {"fra": 25, "nbg": 75}
    route53.write(record(25, 75, 0, down="nbg"), record(25, 75, 0))
    assert list(stands(aws, zone_id)) == ["fra"]
    assert stands(aws, zone_id, f"_parked.{NAME}")["nbg (down)"]["Weight"] == 75


def test_when_all_are_down_the_last_good_weights_are_answered(route53: Route53, aws: Any, zone_id: str) -> None:
    route53.write(record(25, 75, 0, down="fra nbg hel"), None)
    assert {name: one["Weight"] for name, one in stands(aws, zone_id).items()} == {"fra (down)": 25, "nbg (down)": 75}


def test_a_change_is_one_batch_that_names_what_it_saw(route53: Route53, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = batches(route53, monkeypatch)
    route53.write(record(25, 75), None)
    route53.write(record(25, 70), record(25, 75))
    route53.write(record(25, 70), record(25, 70))
    assert len(seen) == 2  # no batch for nothing
    told = [(one["Action"], one["ResourceRecordSet"].get("SetIdentifier", "TXT")) for one in seen[1]]
    assert told == [("DELETE", "nbg"), ("DELETE", "TXT"), ("CREATE", "nbg"), ("CREATE", "TXT")]
    values = [one["ResourceRecordSet"]["ResourceRecords"][0]["Value"] for one in seen[1]]
    assert values[1::2] == ['"1"', '"2"']


def test_a_batch_that_comes_too_late_is_busy(route53: Route53, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other writer came between our look and our batch. moto compares less than Route 53, so its word is put in."""
    route53.write(record(25, 75), None)

    def submit(client: Any, batch: Any) -> str:
        words = "Tried to delete resource record set but the values provided do not match the current values"
        raise ClientError({"Error": {"Code": "InvalidChangeBatch", "Message": words}}, "ChangeResourceRecordSets")

    monkeypatch.setattr(route53, "_submit", submit)
    with pytest.raises(Busy, match="not as it was"):
        route53.write(record(25, 60, 15), record(25, 75))


def test_health_checks_go_with_the_regions_that_are_answered(aws: Any, zone_id: str, moto: str) -> None:
    config = {"Type": "HTTPS", "ResourcePath": "/readyz", "FullyQualifiedDomainName": "fra.example.com", "Port": 443}
    check = aws.create_health_check(CallerReference="fra", HealthCheckConfig=config)["HealthCheck"]["Id"]
    backend = Route53(ZONE.zone, NAME, silent, zone_id=zone_id, checks={"fra": check}, endpoint_url=moto)
    assert backend.capabilities().health
    backend.write(record(25, 75), None)
    assert {name: one.get("HealthCheckId") for name, one in stands(aws, zone_id).items()} == {"fra": check, "nbg": None}
    assert backend.read() == record(25, 75)
    backend.write(record(50, 50), record(25, 75))
    assert stands(aws, zone_id)["fra"]["HealthCheckId"] == check


def test_record_sets_of_somebody_else_are_left_alone(route53: Route53, aws: Any, zone_id: str) -> None:
    simple = {"Name": NAME, "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": FRA}]}
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": simple}]}
    aws.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
    for attempt in (route53.read, lambda: route53.write(record(25, 75), None)):
        with pytest.raises(Refused, match="did not make"):
            attempt()


def test_other_names_and_types_of_the_zone_are_not_seen(route53: Route53, aws: Any, zone_id: str) -> None:
    others = [
        {"Name": NAME, "Type": "TXT", "TTL": 30, "ResourceRecords": [{"Value": '"mine"'}]},
        {"Name": f"a.{NAME}", "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": FRA}]},
        {"Name": "zzz.gtm.example.com", "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": FRA}]},
    ]
    batch = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": one} for one in others]}
    aws.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch=batch)
    assert route53.read() is None
    route53.write(record(25, 75), None)
    assert route53.read() == record(25, 75)


def test_a_zone_that_is_not_there_is_said(aws: Any, moto: str) -> None:
    with pytest.raises(EngineFailed, match="no such hosted zone"):
        Route53(ZONE.zone, NAME, silent, zone_id="Z0000000000000", endpoint_url=moto).read()


def test_no_answer_and_no_credentials_are_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, aws: Any, moto: str
) -> None:
    with pytest.raises(Unreachable):
        Route53(ZONE.zone, NAME, silent, zone_id="Z1", endpoint_url="http://127.0.0.1:9").read()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(ToolMissing, match="no AWS credentials"):
        Route53(ZONE.zone, NAME, silent, zone_id="Z1", endpoint_url=moto).read()


def test_a_zone_is_found_by_its_name_when_there_is_one_public_zone_of_it(aws: Any, moto: str) -> None:
    by_name = Route53("alone.example.com", "www.alone.example.com", silent, endpoint_url=moto)
    with pytest.raises(EngineFailed, match="0 public hosted zones"):
        by_name.read()
    for private in (True, False):
        vpc = {"VPC": {"VPCRegion": "us-east-1", "VPCId": "vpc-1"}} if private else {}
        config = {"PrivateZone": private}
        aws.create_hosted_zone(Name="alone.example.com", CallerReference=f"{private}", HostedZoneConfig=config, **vpc)
    assert by_name.read() is None
    aws.create_hosted_zone(Name="alone.example.com", CallerReference="another")
    with pytest.raises(EngineFailed, match="2 public hosted zones"):
        Route53("alone.example.com", "www.alone.example.com", silent, endpoint_url=moto).read()
