"""What was released by hand stays until fleet.yaml says something new of the service."""

from __future__ import annotations

from du_infra.release.pins import mark_of, pinned, words
from du_infra.spec import Duration, ReleaseSpec
from tests.unit.release.records import HELLO, record, rollout

OVER = {"over": True, "mark": mark_of(HELLO)}


def test_a_release_over_the_file_stays_while_the_file_says_the_same() -> None:
    assert pinned(rollout("done", "v2-b", "v1-a", options=OVER), HELLO) == "v2-b"


def test_a_release_that_is_the_files_own_pins_nothing() -> None:
    assert pinned(rollout("done", "v1-a", "", options={**OVER, "over": False}), HELLO) == ""
    assert pinned(None, HELLO) == ""


def test_any_new_setting_in_the_file_wins() -> None:
    last = rollout("done", "v2-b", "v1-a", options=OVER)
    for change in ({"tag": "v3"}, {"env": {"A": "1"}}, {"port": 9090}):
        assert pinned(last, HELLO.model_copy(update=change)) == ""


def test_how_releases_go_live_may_change_without_changing_what_runs() -> None:
    last = rollout("done", "v2-b", "v1-a", options=OVER)
    calmer = HELLO.model_copy(update={"release": ReleaseSpec(observe=Duration("5m")), "before": ("migrate",)})
    assert pinned(last, calmer) == "v2-b"


def test_it_is_told_in_words() -> None:
    start, back = rollout("done", "v2-b", "v1-a"), rollout("done", "v1-a", "v2-b", kind="rollback")
    assert words(start, record("v2-b"), HELLO) == "v2, released over fleet.yaml's v1"
    assert words(back, record("v0-z"), HELLO) == "v0, rolled back over fleet.yaml's v1"
    assert words(back, record("v1-a"), HELLO) == "v1-a, rolled back over fleet.yaml's settings"
