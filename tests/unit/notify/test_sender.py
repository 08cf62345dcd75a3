"""Webhooks over real sockets: what is delivered, tried again, given up, and what it costs who tells."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from du_infra.errors import SpecError
from du_infra.notify.hook import Rules
from du_infra.notify.message import Message, signature
from du_infra.notify.notes import Note
from du_infra.notify.post import address_of, judge, post
from du_infra.notify.sender import Sender
from du_infra.progress import Event
from du_infra.seeing.state import HookSeen
from du_infra.spec.container import SecretSource
from du_infra.spec.notify import HookSpec
from tests.unit.notify.receiver import Receiver, receiving, wait_for

QUICK = Rules(room=5, waits=(0.05, 0.05), limit=5)
NOTE = Note("healing", "replace", "home", "demo-home-2", "dead for 31 s")


class Bed:
    """A sender with one webhook "ops", and what it says."""

    def __init__(self, folder: Path, rules: Rules = QUICK) -> None:
        self.folder, self.said, self.seen = folder, [], {}  # type: ignore[var-annotated]
        self.sender = Sender(self.hear, self.tally, rules)

    def hear(self, event: Event) -> None:
        self.said.append(event.text)

    def tally(self, name: str, seen: HookSeen) -> None:
        self.seen[name] = seen

    def use(self, url: str, name: str = "ops", secret: str = "", **more: Any) -> None:
        (self.folder / name).write_text(f"{url}\n")
        (self.folder / name).chmod(0o600)
        if secret:
            (self.folder / "key").write_text(secret)
            (self.folder / "key").chmod(0o600)
            more["secret"] = SecretSource(file="key")
        self.sender.use("demo", self.folder, {name: HookSpec(url=SecretSource(file=name), **more)})


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    made = Bed(tmp_path)
    yield made
    made.sender.close(0)


def test_a_note_is_delivered_and_signed(bed: Bed) -> None:
    with receiving(Receiver()) as receiver:
        bed.use(receiver.url, secret="hunter4")
        bed.sender.send(NOTE)
        wait_for(lambda: bed.seen["ops"].delivered == 1)
    path, headers, body = receiver.got[0]
    assert path == "/hooks/hunter2?key=hunter3"
    said = json.loads(body)
    assert (said["fleet"], said["why"], headers["webhook-id"]) == ("demo", "dead for 31 s", said["id"])
    signed = signature(Message(said["id"], body), "hunter4", int(headers["webhook-timestamp"]))
    assert headers["webhook-signature"] == signed
    assert bed.seen["ops"] == HookSeen(delivered=1)


def test_only_who_wants_to_know_is_told(bed: Bed) -> None:
    with receiving(Receiver()) as receiver:
        bed.use(receiver.url, kinds=("release",))
        assert bed.sender.wanted("release") and not bed.sender.wanted("healing")
        bed.sender.send(NOTE)
        bed.sender.send(Note("release", "done", "home", "hello", "v2"))
        wait_for(lambda: receiver.got)
        bed.sender.close(10)
    assert [json.loads(body)["kind"] for _, _, body in receiver.got] == ["release"]


def test_what_fails_for_a_while_is_tried_again_with_the_same_id(bed: Bed) -> None:
    with receiving(Receiver(answers=[503, 429, 200])) as receiver:
        bed.use(receiver.url)
        bed.sender.send(NOTE)
        wait_for(lambda: bed.seen["ops"].delivered)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.got}) == 1
    assert len(receiver.got) == 3
    assert bed.said == ["ops: it answers 503", "ops: it answers 429"]


def test_what_fails_for_ever_is_given_up_and_the_next_one_has_its_turn(bed: Bed) -> None:
    with receiving(Receiver(answers=[500, 500, 500, 200])) as receiver:
        bed.use(receiver.url)
        bed.sender.send(NOTE)
        bed.sender.send(NOTE)
        wait_for(lambda: bed.seen["ops"].delivered)
    assert len(receiver.got) == 4
    assert (bed.seen["ops"].failed, bed.seen["ops"].waiting) == (1, 0)


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410])
def test_what_will_never_work_is_not_tried_again_and_no_redirection_is_followed(bed: Bed, status: int) -> None:
    with receiving(Receiver(answers=[status])) as receiver:
        receiver.headers["Location"] = f"http://127.0.0.1:{receiver.port}/elsewhere"
        bed.use(receiver.url)
        bed.sender.send(NOTE)
        wait_for(lambda: bed.seen["ops"].failed)
    assert [path for path, _, _ in receiver.got] == ["/hooks/hunter2?key=hunter3"]


def test_a_receiver_may_ask_to_be_left_alone() -> None:
    assert judge(429, "120").wait == 120
    assert judge(503, "Wed, 21 Oct 2026 07:28:00 GMT").wait == 0
    assert judge(404, "120").wait == 0
    assert judge(204).why == ""


def test_who_tells_never_waits_though_nobody_answers(tmp_path: Path) -> None:
    bed = Bed(tmp_path, Rules(room=5, waits=(60,), limit=60))
    with socket.socket() as silent:  # it is connected to by the kernel, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen(64)
        bed.use(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        began = time.monotonic()
        for _ in range(1000):
            bed.sender.send(NOTE)
        bed.sender.close(0.2)
        assert time.monotonic() - began < 10
        assert bed.seen["ops"].waiting == 5
        assert bed.seen["ops"].dropped == 995
        assert "ops: there is no more room for what waits: the oldest is dropped" in bed.said


def test_a_receiver_that_drips_is_cut_off_in_time() -> None:
    def drip() -> None:
        client, _ = slow.accept()
        with client:
            try:
                client.sendall(b"HTTP/1.1 200 OK\r\n")
                while True:
                    client.sendall(b"X")
                    time.sleep(0.1)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as slow:
        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        outcome = post(urlsplit(f"http://127.0.0.1:{slow.getsockname()[1]}/"), b"{}", {}, 1.0)
    assert outcome.why and outcome.again
    assert time.monotonic() - began < 20


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    import ssl

    files = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*made, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def shake() -> None:
            client, _ = plain.accept()
            with client, pytest.raises((OSError, ssl.SSLError)):
                context.wrap_socket(client, server_side=True).recv(1)
                raise OSError

        thread = threading.Thread(target=shake, daemon=True)
        thread.start()
        outcome = post(urlsplit(f"https://localhost:{plain.getsockname()[1]}/"), b"{}", {}, 20.0)
        thread.join(20)
    assert outcome.why == "its certificate is not to be trusted"


def test_nobody_there_a_name_that_nobody_knows_and_nonsense_are_told_in_our_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    assert post(urlsplit(f"http://127.0.0.1:{port}/"), b"{}", {}, 5).why == "Connection refused"
    assert post(urlsplit("http://nobody.invalid/hunter2"), b"{}", {}, 5).why == "its name is not known"
    with socket.create_server(("127.0.0.1", 0)) as odd:

        def talk() -> None:
            client, _ = odd.accept()
            with client:
                client.recv(65536)
                client.sendall(b"SSH-2.0-hunter2\r\n")

        threading.Thread(target=talk, daemon=True).start()
        outcome = post(urlsplit(f"http://127.0.0.1:{odd.getsockname()[1]}/"), b"{}", {}, 5)
    assert outcome.why == "no answer (BadStatusLine)"


def test_a_user_and_a_password_in_the_address_are_a_login() -> None:
    with receiving(Receiver()) as receiver:
        post(urlsplit(f"http://ann:hunter%402@127.0.0.1:{receiver.port}/"), b"{}", {}, 5)
    assert receiver.got[0][1]["authorization"] == "Basic YW5uOmh1bnRlckAy"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hunter2",
        "ftp://hunter2/",
        "https://",
        "https://a b/",
        "https://hunter2:x/",
        "http://[hunter2/",
        "https://ü/",
    ],
)
def test_an_address_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(SpecError) as caught:
        address_of(url, "notify.ops.url")
    assert "hunter2" not in f"{caught.value}{caught.value.todo}{caught.value.detail}"


def test_no_part_of_an_address_or_a_key_is_ever_said(bed: Bed) -> None:
    for answers in ([404], [500]):
        with receiving(Receiver(answers=answers)) as receiver:
            bed.use(receiver.url, secret="hunter4")
            bed.sender.send(NOTE)
            wait_for(lambda: bed.seen["ops"].failed)
            bed.sender.use("demo", bed.folder, {})
            bed.seen.clear()
    bed.use("http://127.0.0.1:1/hunter2")
    bed.sender.send(NOTE)
    wait_for(lambda: bed.seen["ops"].failed)
    bed.use("nonsense hunter2", name="other")
    wait_for(lambda: "other" in bed.seen and bed.seen["other"].why)
    assert bed.said
    assert not [words for words in (*bed.said, *map(str, bed.seen.values())) if "hunter" in words]


def test_what_nobody_foresaw_is_told_by_its_kind_alone_and_the_next_message_has_its_turn(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def post(*given: Any) -> Any:
        raise KeyError("hunter2")

    with receiving(Receiver()) as receiver:
        monkeypatch.setattr("du_infra.notify.hook.post", post)
        bed.use(receiver.url)
        bed.sender.send(NOTE)
        wait_for(lambda: bed.seen["ops"].failed)
        monkeypatch.undo()
        bed.sender.send(NOTE)
        wait_for(lambda: bed.seen["ops"].delivered)
    assert bed.said == ["ops: unforeseen: KeyError"]


def test_a_log_that_takes_no_more_words_stops_no_delivery(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(event: Event) -> None:
        bed.hear(event)
        raise OSError(28, "No space left on device")

    bed.sender = Sender(full, bed.tally, QUICK)
    with receiving(Receiver(answers=[503, 200])) as receiver:
        bed.use("nonsense")
        wait_for(lambda: bed.said)
        bed.use(receiver.url)
        bed.sender.send(NOTE)
        wait_for(lambda: bed.seen["ops"].delivered)
        (bed.folder / "other").write_text("nonsense")
        bed.use("nonsense", name="other")
        wait_for(lambda: len(bed.said) > 2)
        assert bed.sender._hooks["other"].alive
        bed.sender.send(NOTE)
        wait_for(lambda: bed.seen["other"].failed)


def test_a_source_that_cannot_be_read_is_told_at_once_and_used_when_it_is_there(tmp_path: Path) -> None:
    bed = Bed(tmp_path, Rules(waits=(0.05,) * 400, limit=5))
    bed.sender.use("demo", tmp_path, {"ops": HookSpec(url=SecretSource(file="later"))})
    wait_for(lambda: bed.said)
    assert "notify.ops.url: " in bed.said[0] and "cannot be read" in bed.said[0]
    bed.sender.send(NOTE)
    with receiving(Receiver()) as receiver:
        (tmp_path / "later").write_text(receiver.url)
        (tmp_path / "later").chmod(0o600)
        wait_for(lambda: receiver.got)
        bed.sender.close(10)
    assert bed.seen["ops"].delivered == 1


def test_at_the_end_what_waits_is_tried_once_more_and_no_longer_than_allowed(tmp_path: Path) -> None:
    bed = Bed(tmp_path, Rules(waits=(600,), limit=5))
    with receiving(Receiver(answers=[503, 200])) as receiver:
        bed.use(receiver.url)
        bed.sender.send(NOTE)
        wait_for(lambda: receiver.got)
        for _ in range(3):
            bed.sender.send(NOTE)
        began = time.monotonic()
        bed.sender.close(20)
        assert time.monotonic() - began < 20
    assert bed.seen["ops"].delivered == 3


def test_another_address_in_the_file_is_another_webhook_and_the_same_one_goes_on(bed: Bed) -> None:
    with receiving(Receiver()) as receiver:
        bed.use(receiver.url)
        before = bed.sender._hooks["ops"]
        bed.use(receiver.url)
        assert bed.sender._hooks["ops"] is before
        bed.use(receiver.url, kinds=("release",))
        assert bed.sender._hooks["ops"] is not before
        wait_for(lambda: not before.alive)
