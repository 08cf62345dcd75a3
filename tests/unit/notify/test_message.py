"""What goes over the wire: a stable form, and a signature that others can check."""

from __future__ import annotations

import json

from du_infra.notify.message import LONGEST, Message, headers, key_of, message, signature
from du_infra.notify.notes import News, Note, of_decision, of_releases
from tests.unit.seeing.bed import release

NOTE = Note("healing", "replace", "home", "demo-home-2", "dead for 31 s")


def test_a_message_has_the_documented_form() -> None:
    told = message(NOTE, "demo", 0)
    said = json.loads(told.body)
    assert said.pop("id") == told.id
    assert said == {
        "version": 1,
        "time": "1970-01-01T00:00:00Z",
        "fleet": "demo",
        "kind": "healing",
        "event": "replace",
        "region": "home",
        "subject": "demo-home-2",
        "why": "dead for 31 s",
        "text": "home, demo-home-2: replace: dead for 31 s",
    }


def test_no_two_messages_have_the_same_id_and_none_is_endless() -> None:
    first, second = (message(Note("healing", "left", "", "", "ü" * 9999), "demo", 0) for _ in range(2))
    assert first.id != second.id
    said = json.loads(first.body)
    assert (len(said["why"]), len(said["text"])) == (LONGEST, LONGEST)


def test_the_signature_is_that_of_the_specifications_example() -> None:
    # https://github.com/standard-webhooks/standard-webhooks, the example of its reference implementations
    told = Message("msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}')
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    assert signature(told, secret, 1614265330) == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_another_body_time_id_or_key_is_another_signature() -> None:
    told = Message("msg_a", b"{}")
    seen = {
        signature(told, "key", 1),
        signature(told, "key", 2),
        signature(told, "yek", 1),
        signature(Message("msg_b", b"{}"), "key", 1),
        signature(Message("msg_a", b"[]"), "key", 1),
    }
    assert len(seen) == 5


def test_a_secret_is_taken_as_it_is_unless_it_says_that_it_is_base64() -> None:
    assert key_of("hunter2\n") == b"hunter2"
    assert key_of("whsec_aHVudGVyMg==") == b"hunter2"
    assert key_of("whsec_no base64") == b"whsec_no base64"


def test_without_a_secret_nothing_is_signed() -> None:
    told = Message("msg_a", b"{}")
    assert "webhook-signature" not in headers(told, "", 1)
    assert headers(told, "key", 1)["webhook-signature"].startswith("v1,")
    assert headers(told, "key", 1)["webhook-timestamp"] == "1"


def test_that_somebody_else_is_at_work_is_no_news() -> None:
    assert of_decision("home", "busy", "healing", "", "process 7") is None
    assert of_decision("", "share", "upkeep", "", "minds 2 of 4 regions") is None
    assert of_decision("home", "replace", "healing", "demo-home-2", "dead for 31 s") == NOTE


def test_at_the_first_look_nothing_is_news() -> None:
    found = list(of_releases("home", [release(2, "held"), release(1, "done")], {}))
    assert found == [News("", "", "seen"), News("hello", "", "2 held")]


def test_the_first_release_of_a_service_is_news() -> None:
    (found,) = of_releases("home", [release(1, "running")], {"": "seen"})
    assert [note.event for note in found.notes] == ["begun"]
    assert found.notes[0].text == "home, hello: begun: start of v1-460abd46, in place of v1-43598896, by ann@desk"


def test_every_release_since_is_told_in_its_order_and_nothing_twice() -> None:
    releases = [release(4, "running"), release(3, "failed", why="it crashed"), release(2, "done"), release(1, "done")]
    (found,) = of_releases("home", releases, {"": "seen", "hello": "2 held"})
    assert [(note.event, note.subject) for note in found.notes] == [
        ("done", "hello"),
        ("failed", "hello"),
        ("begun", "hello"),
    ]
    assert found.notes[1].why.endswith("by ann@desk: it crashed")
    assert (found.before, found.mark) == ("2 held", "4 running")
    assert list(of_releases("home", releases, {"": "seen", "hello": "4 running"})) == []
