"""A release is its content: the same content has the same id, and any difference makes another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from du_infra.release.options import overridden, way_of
from du_infra.release.plan import ARCHITECTURES, SIZE, content_of, digest_of, entry_of, release_of, wanted_of
from du_infra.spec import Duration, ReleaseSpec, ServiceSpec

DIGEST = "sha256:" + "0" * 64
HELLO = ServiceSpec(image="registry.local:5000/hello", tag="v1", port=8080)


def test_the_same_content_is_the_same_release() -> None:
    assert release_of("hello", HELLO, DIGEST) == release_of("hello", HELLO, DIGEST)


def test_another_image_under_the_same_tag_is_another_release() -> None:
    other = "sha256:" + "1" * 64
    assert release_of("hello", HELLO, DIGEST)["release"] != release_of("hello", HELLO, other)["release"]


def test_another_setting_is_another_release() -> None:
    changed = HELLO.model_copy(update={"env": {"A": "1"}})
    assert release_of("hello", HELLO, DIGEST)["release"] != release_of("hello", changed, DIGEST)["release"]


def test_limits_volumes_and_secrets_make_another_release_where_they_are_set() -> None:
    more: list[dict[str, object]] = [{}, {"cpus": 0.5}, {"volumes": {"data": "/data"}}]
    releases = [release_of("hello", HELLO.model_copy(update=changes), DIGEST) for changes in more]
    releases += [release_of("hello", HELLO, DIGEST, {"DB": "0" * 16}), release_of("hello", HELLO, DIGEST, {"DB": "1"})]
    assert len({release["release"] for release in releases}) == len(releases)
    assert "cpus" not in releases[0]
    assert releases[3]["secrets"] == {"DB": "0" * 16}


def test_a_release_pins_its_image_by_digest() -> None:
    assert release_of("hello", HELLO, DIGEST)["image"] == f"registry.local:5000/hello@{DIGEST}"


def test_the_configuration_hash_covers_every_release() -> None:
    entry = entry_of(release_of("hello", HELLO, DIGEST))
    assert wanted_of("demo", "home", [entry])["config"] != wanted_of("demo", "home", [])["config"]


def test_the_way_a_release_goes_live_is_kept_with_it_and_is_no_part_of_it() -> None:
    careful = HELLO.model_copy(update={"release": ReleaseSpec(observe=Duration("60s")), "before": ("migrate",)})
    plain, watched = release_of("hello", HELLO, DIGEST), release_of("hello", careful, DIGEST)
    assert content_of(plain) == content_of(watched)
    assert watched["way"]["rollout"]["observe"] == 60
    assert watched["way"]["before"] == ["migrate"]


def test_the_way_a_release_goes_live_does_not_change_where_a_node_arrives() -> None:
    record = release_of("hello", HELLO, DIGEST)
    quick = wanted_of("demo", "home", [entry_of(record)])
    slow = wanted_of("demo", "home", [entry_of(record, overridden(way_of(HELLO), canary=[5, 100])["rollout"])])
    assert quick["config"] == slow["config"]
    assert [service["rollout"]["canary"] for wanted in (quick, slow) for service in wanted["services"]] == [[], [5]]


def test_a_node_is_not_asked_for_what_only_the_controller_needs() -> None:
    assert "way" not in entry_of(release_of("hello", HELLO, DIGEST))


def test_the_order_of_services_does_not_change_where_a_node_arrives() -> None:
    entries = [entry_of(release_of(name, HELLO, DIGEST)) for name in ("a", "b")]
    assert wanted_of("demo", "home", entries) == wanted_of("demo", "home", entries[::-1])


@given(st.dictionaries(st.text(), st.integers() | st.text()))
def test_a_hash_does_not_depend_on_the_order_of_keys(value: dict[str, int | str]) -> None:
    assert digest_of(value) == digest_of(dict(reversed(list(value.items()))))


def test_what_is_known_of_an_image_does_not_change_where_a_node_arrives() -> None:
    record = release_of("hello", HELLO, DIGEST)
    known = {SIZE: 12, ARCHITECTURES: ["amd64"]}
    plain, sized = (wanted_of("demo", "home", [entry_of(kept)]) for kept in (record, {**record, **known}))
    assert plain["config"] == sized["config"]
    assert sized["services"][0]["size_mb"] == 12
    assert sized["services"][0]["architectures"] == ["amd64"]
