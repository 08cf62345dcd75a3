"""What a node keeps of secrets: files, for root or one user alone, and nothing of them anywhere else."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from du_node import places, secrets
from du_node.errors import NodeError

A, B, ONE = "a" * 16, "b" * 16, "1" * 16


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(places, "SECRETS", str(tmp_path / "state" / "secrets"))
    return tmp_path / "state" / "secrets"


def order(value: str | None = "s3cret\r\n", name: str = "DB", mark: str = A) -> str:
    item = {"fingerprint": mark} | ({} if value is None else {"value": value})
    return json.dumps({"hello": {name: item}})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_value_is_kept_as_it_is_in_a_file_of_its_own(folder: Path) -> None:
    assert secrets.keep(order()) == 1
    path = folder / "hello" / f"DB.{A}"
    assert path.read_bytes() == b"s3cret\r\n"
    assert (mode(path), mode(path.parent), mode(folder)) == (0o600, 0o700, 0o700)


def test_what_is_there_is_not_written_again(folder: Path) -> None:
    secrets.keep(order())
    assert secrets.keep(order()) == 0
    assert secrets.keep(order(None)) == 0


def test_a_value_that_is_neither_sent_nor_here_is_named() -> None:
    with pytest.raises(NodeError, match="hello's secret DB") as caught:
        secrets.keep(order(None))
    assert (caught.value.kind, caught.value.exit_code, caught.value.service) == ("secret", 5, "hello")
    assert "services.hello.secrets.DB" in caught.value.todo


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_another_user_gets_a_copy_of_its_own(folder: Path) -> None:
    secrets.keep(order())
    key = ("hello", "DB", A)
    assert secrets.for_owner(key, 0, 0) == folder / "hello" / f"DB.{A}"
    copy = secrets.for_owner(key, 65534, 65534)
    assert (copy.stat().st_uid, mode(copy), copy.read_bytes()) == (65534, 0o600, b"s3cret\r\n")
    assert secrets.for_owner(key, 65534, 65534) == copy
    assert secrets.for_owner(key, 0, 0).stat().st_uid == 0


def test_a_container_without_its_value_is_not_started() -> None:
    with pytest.raises(NodeError) as caught:
        secrets.for_owner(("hello", "DB", A), 1000, 1000)
    assert caught.value.kind == "secret"


def test_what_is_not_used_goes_and_what_is_used_stays_with_its_copies(folder: Path) -> None:
    secrets.keep(order())
    secrets.keep(order("other", mark=B))
    own = folder / "hello"
    for name in (f"DB.{A}.1000", f"DB.{B}.1000", f"DB.{A}.77.new", f".DB.{A}.1000.77"):
        (own / name).write_text("left by a kill")
    secrets.clean([("hello", "DB", A)], secrets.there())
    assert sorted(path.name for path in own.iterdir()) == [f"DB.{A}", f"DB.{A}.1000"]
    secrets.clean([], secrets.there())
    assert list(own.iterdir()) == []


def test_what_was_sent_while_an_apply_was_at_work_is_for_a_later_order_and_stays(folder: Path) -> None:
    own = folder / "hello"
    for mark in (A, B, ONE):
        secrets.keep(order(mark=mark))
        os.utime(own / f"DB.{mark}", (1, 1))
    (own / f"DB.{B}.1000").write_text("the copy of one that is not used")
    before = secrets.there()
    secrets.keep(order(None))  # named again, and so it is wanted again
    secrets.keep(order(mark=ONE, name="a.b"))
    secrets.keep(order().replace("hello", "shop"))
    (own / f"DB.{ONE}.77.new").write_text("is being written")
    secrets.clean([], before)
    assert sorted(path.name for path in own.iterdir()) == [f"DB.{ONE}.77.new", f"DB.{A}", f"a.b.{ONE}"]
    assert (folder / "shop" / f"DB.{A}").exists()


@pytest.mark.parametrize(
    "bad",
    [
        "s3cret",
        '"s3cret"',
        '{"hello": "s3cret"}',
        '{"hello": {"DB": "s3cret"}}',
        '{"hello": {"DB": {"fingerprint": "aaaaaaaaaaaaaaaa", "value": 7}}}',
        '{"hello": {"DB": {"fingerprint": "aaaaaaaaaaaaaaaa", "value": ""}}}',
        '{"hello": {"DB": {"fingerprint": "x", "value": "s3cret"}}}',
        '{"hello": {"../x": {"fingerprint": "aaaaaaaaaaaaaaaa", "value": "s3cret"}}}',
        '{"../x": {"DB": {"fingerprint": "aaaaaaaaaaaaaaaa", "value": "s3cret"}}}',
    ],
)
def test_a_malformed_order_writes_nothing_and_its_error_shows_no_value(bad: str, folder: Path) -> None:
    with pytest.raises(NodeError) as caught:
        secrets.keep(bad)
    told: dict[str, Any] = caught.value.line()
    assert caught.value.kind == "bad-wanted"
    assert "s3cret" not in json.dumps(told)
    assert not folder.exists()
