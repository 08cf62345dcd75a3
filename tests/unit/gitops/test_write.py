"""A folder holds what was rendered, again and again; what is somebody else's is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.errors import Refused, SpecError
from du_infra.gitops import write as writing
from du_infra.gitops.write import MEMORY, plan_write, write

ONE = {"a/x.yaml": {"kind": "A"}, "b.yaml": {"kind": "B"}}


def there(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MEMORY}


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    assert write(tmp_path / "to", ONE, "helm").write == ("a/x.yaml", "b.yaml")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    plan = write(tmp_path / "to", ONE, "helm")
    assert (plan.write, plan.remove) == ((), ())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_what_is_not_wanted_any_more_goes_with_its_folder(tmp_path: Path) -> None:
    write(tmp_path, ONE, "helm")
    (tmp_path / "mine").write_text("mine")
    assert write(tmp_path, {"b.yaml": {"kind": "C"}}, "helm").remove == ("a/x.yaml",)
    assert there(tmp_path) == {"b.yaml", "mine"}
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("path", ["a/x.yaml", "b.yaml"])
def test_what_somebody_else_made_or_changed_is_refused_and_nothing_is_done(tmp_path: Path, path: str) -> None:
    (tmp_path / "b.yaml").write_text("mine")
    with pytest.raises(Refused, match=r"made or changed b\.yaml"):
        write(tmp_path, ONE, "helm")
    assert there(tmp_path) == {"b.yaml"}
    (tmp_path / "b.yaml").unlink()
    write(tmp_path, ONE, "helm")
    (tmp_path / path).write_text("changed")
    for files in (ONE, {"c.yaml": {"kind": "C"}}):
        with pytest.raises(Refused, match="made or changed"):
            write(tmp_path, files, "helm")
    assert (tmp_path / path).read_text() == "changed"


def test_a_folder_holds_one_kind(tmp_path: Path) -> None:
    write(tmp_path, ONE, "helm")
    with pytest.raises(Refused, match="holds helm, not kustomize"):
        write(tmp_path, ONE, "kustomize")


@pytest.mark.parametrize("text", ["[", "{}", '{"kind": "helm", "files": {"../x": ["1"]}}'])
def test_a_memory_that_is_not_ours_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MEMORY).write_text(text)
    with pytest.raises(Refused, match="not what du-infra wrote"):
        write(tmp_path, ONE, "helm")


def test_a_folder_that_is_a_file_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "to").write_text("")
    with pytest.raises(SpecError):
        write(tmp_path / "to", ONE, "helm")


@pytest.mark.parametrize("calls", range(1, 5))
def test_killed_anywhere_it_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    write(tmp_path, {**ONE, "c.yaml": {"kind": "C"}}, "helm")
    wanted = {"a/x.yaml": {"kind": "A2"}, "b.yaml": {"kind": "B2"}}
    put, left = writing._put, [calls]

    def dies(path: Path, text: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        put(path, text)

    with monkeypatch.context() as dying:
        dying.setattr(writing, "_put", dies)
        if calls < 4:
            with pytest.raises(KeyboardInterrupt):
                write(tmp_path, wanted, "helm")
    write(tmp_path, wanted, "helm")
    assert there(tmp_path) == {"a/x.yaml", "b.yaml"}
    assert all(len(texts) == 1 for texts in json.loads((tmp_path / MEMORY).read_text())["files"].values())


PATHS = st.sampled_from(["a", "b", "c"])
HASHES = st.dictionaries(PATHS, st.sampled_from("123"))


@given(HASHES, st.dictionaries(PATHS, st.lists(st.sampled_from("123"), max_size=2)), HASHES)
def test_only_what_is_ours_is_overwritten_or_removed(
    found: dict[str, str], ours: dict[str, list[str]], wanted: dict[str, str]
) -> None:
    plan = plan_write(found, ours, wanted)
    for path in {*plan.write, *plan.remove} - {*plan.foreign}:
        assert path not in found or found[path] in ours.get(path, ()) or found[path] == wanted.get(path)
    after = {**{p: h for p, h in found.items() if p not in plan.remove}, **{p: wanted[p] for p in plan.write}}
    if not plan.foreign:
        assert wanted.items() <= after.items()
