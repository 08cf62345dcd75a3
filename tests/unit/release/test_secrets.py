"""Secrets are read from where they are said to be, and nothing but a fingerprint of them goes on record."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.errors import Refused, SpecError
from du_infra.release.secrets import (
    KEY,
    Secrets,
    fingerprint,
    fingerprint_key,
    order_of,
    read_secrets,
    readable_secrets,
)
from du_infra.spec import ServiceSpec


def service(**sources: dict[str, str]) -> ServiceSpec:
    return ServiceSpec.model_validate({"image": "hello", "port": 1, "secrets": sources})


def put(folder: Path, name: str, content: bytes, mode: int = 0o600) -> None:
    path = folder / name
    path.write_bytes(content)
    path.chmod(mode)


def read(folder: Path, **sources: dict[str, str]) -> Secrets:
    return read_secrets({"hello": service(**sources)}, folder)


def test_a_file_is_taken_as_it_is_and_a_variable_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "db", b"s3cret\n")
    monkeypatch.setenv("TOKEN", "t0ken")
    found = read(tmp_path, DB={"file": "db"}, TOKEN={"env": "TOKEN"})
    assert found.values == {"hello": {"DB": "s3cret\n", "TOKEN": "t0ken"}}
    assert all(re.fullmatch("[0-9a-f]{16}", mark) for mark in found.fingerprints["hello"].values())


def test_a_file_elsewhere_and_behind_a_link_is_read_as_well(tmp_path: Path) -> None:
    put(tmp_path, "db", b"x")
    (tmp_path / "link").symlink_to("db")
    assert read(tmp_path / "other", DB={"file": str(tmp_path / "link")}).values["hello"] == {"DB": "x"}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_file_that_others_may_touch_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    put(tmp_path, "db", b"s3cret", mode)
    with pytest.raises(Refused, match="other users") as caught:
        read(tmp_path, DB={"file": "db"})
    assert caught.value.todo == f"chmod 600 {tmp_path}/db"
    assert caught.value.where == "services.hello.secrets.DB"


@pytest.mark.parametrize(
    ("content", "words"), [(None, "No such file"), (b"", "empty"), (b"\xff", "UTF-8"), (b"x" * 70000, "64 KiB")]
)
def test_a_source_without_a_usable_value_is_named(tmp_path: Path, content: bytes | None, words: str) -> None:
    if content is not None:
        put(tmp_path, "db", content)
    with pytest.raises(SpecError, match=words) as caught:
        read(tmp_path, DB={"file": "db"})
    assert caught.value.where == "services.hello.secrets.DB"
    assert caught.value.todo


def test_a_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="Is a directory"):
        read(tmp_path, DB={"file": "."})


def test_a_variable_that_is_not_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TOKEN", raising=False)
    with pytest.raises(SpecError, match="TOKEN is not set"):
        read(tmp_path, A={"env": "TOKEN"})


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    put(tmp_path, "open", b"s3cret", 0o644)
    with pytest.raises(SpecError, match="2 secrets cannot be read") as caught:
        read(tmp_path, A={"file": "absent"}, B={"file": "open"})
    assert len(caught.value.detail.splitlines()) == 2
    assert "s3cret" not in caught.value.detail


def test_on_the_way_back_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "b", b"x")
    services = {"hello": service(A={"file": "absent"}, B={"file": "b"})}
    assert readable_secrets(services, tmp_path).values == {"hello": {"B": "x"}}


def test_services_without_secrets_have_an_empty_entry_and_need_no_key(tmp_path: Path) -> None:
    assert read(tmp_path).fingerprints == {"hello": {}}
    assert not (tmp_path / KEY).exists()


def test_no_value_shows_in_the_words_for_it(tmp_path: Path) -> None:
    put(tmp_path, "db", b"s3cret")
    found = read(tmp_path, DB={"file": "db"})
    assert "s3cret" not in repr(found) + str(found)


def test_the_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first = fingerprint_key(tmp_path)
    assert fingerprint_key(tmp_path) == first
    assert len(first) == 64
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / KEY).parent.iterdir()] == ["fingerprint"]


@given(st.text(), st.text(), st.binary(), st.binary())
def test_a_fingerprint_is_its_values_and_its_keys(one: str, two: str, key: bytes, other: bytes) -> None:
    assert (fingerprint(key, "s", "N", one) == fingerprint(key, "s", "N", two)) == (one == two)
    if key.rstrip(b"\0") != other.rstrip(b"\0"):  # HMAC fills a short key up with zeros
        assert fingerprint(key, "s", "N", one) != fingerprint(other, "s", "N", one)
    assert fingerprint(key, "s", "N", one) != fingerprint(key, "s", "M", one)


def wanted(**secrets: str) -> dict[str, Any]:
    return {"services": [{"name": "hello", "secrets": secrets}, {"name": "plain"}]}


def test_an_order_names_what_is_wanted_and_gives_the_values_it_has() -> None:
    have = Secrets({"hello": {"A": "a", "B": "b"}}, {"hello": {"A": "1" * 16, "B": "2" * 16}})
    assert order_of(wanted(A="1" * 16, B="9" * 16), have) == {
        "hello": {"A": {"fingerprint": "1" * 16, "value": "a"}, "B": {"fingerprint": "9" * 16}}
    }


def test_an_order_for_nothing_is_empty() -> None:
    assert order_of(wanted(), Secrets()) == {}
