"""What differs between two releases, in words; values of variables and secrets stay untold."""

from __future__ import annotations

from du_infra.release.changes import changes
from du_infra.release.plan import release_of
from tests.unit.release.records import HELLO

DIGEST, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def between(old: dict[str, object], new: dict[str, object], digest: str = DIGEST) -> list[str]:
    one = release_of("hello", HELLO.model_copy(update=old), DIGEST, old.get("prints", {}))  # type: ignore[arg-type]
    two = release_of("hello", HELLO.model_copy(update=new), digest, new.get("prints", {}))  # type: ignore[arg-type]
    return changes(one, two)


def test_the_same_has_no_changes() -> None:
    assert between({}, {}) == []


def test_another_image_is_told_by_its_first_digits() -> None:
    assert between({}, {}, OTHER) == ["image aaaaaaaaaaaa → bbbbbbbbbbbb"]


def test_a_first_release_says_so() -> None:
    assert changes(None, release_of("hello", HELLO, DIGEST)) == ["image aaaaaaaaaaaa, first release"]


def test_settings_are_told_from_what_to_what() -> None:
    assert between({"port": 8080}, {"port": 9090}) == ["port 8080 → 9090"]
    assert between({}, {"cpus": 0.5}) == ["cpus none → 0.5"]
    assert between({}, {"host": "www.example.com"}) == ["host none → www.example.com"]
    assert between({"volumes": {"data": "/a"}}, {"volumes": {"data": "/b"}}) == ["volumes data:/a → data:/b"]


def test_values_of_variables_and_secrets_are_not_told() -> None:
    told = between(
        {"env": {"GONE": "secret1", "SAME": "x", "OTHER": "secret2"}, "prints": {"DB": "1" * 16}},
        {"env": {"SAME": "x", "OTHER": "secret3", "NEW": "secret4"}, "prints": {"DB": "2" * 16}},
    )
    assert told == ["env GONE removed", "env NEW added", "env OTHER changed", "secrets DB changed"]


def test_a_command_may_hold_a_password_and_is_not_told() -> None:
    assert between({}, {"command": ("serve", "--password", "x")}) == ["command changed"]


def test_the_way_it_goes_live_is_no_change() -> None:
    assert between({}, {"before": ("migrate",)}) == []
