"""A release of K3s: what a folder must hold, what is downloaded, and that a wrong file is refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from du_infra.engines import k3s
from du_infra.engines.k3s import Release, check_folder, verify_folder
from du_infra.errors import EngineFailed, Refused, SpecError, ToolMissing, Unreachable

VERSION = "v1.34.4+k3s1"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def fill(folder: Path, architecture: str = "amd64", *more: str) -> Path:
    """A release's folder for one kind of machine."""
    program = "k3s" if architecture == "amd64" else f"k3s-{architecture}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for name in (program, *more):
        (folder / name).write_bytes(name.encode())
        lines.append(f"{sha(name.encode())}  {name}\n")
    (folder / f"sha256sum-{architecture}.txt").write_text("".join(lines))
    return folder


def test_a_folder_gives_its_program_and_the_smallest_of_its_image_archives(tmp_path: Path) -> None:
    images = [f"k3s-airgap-images-amd64{ending}" for ending in (".tar", ".tar.gz", ".tar.zst")]
    listed = Release(VERSION, "amd64", fill(tmp_path, "amd64", *images)).listed()
    assert listed == {
        "program": {"name": "k3s", "sha256": sha(b"k3s")},
        "images": [{"name": images[2], "sha256": sha(images[2].encode())}],
    }
    (tmp_path / images[2]).unlink()
    (tmp_path / images[1]).unlink()
    assert [one["name"] for one in Release(VERSION, "amd64", tmp_path).fetched()["images"]] == [images[0]]


def test_a_file_is_given_with_its_path_once_it_is_known_to_be_the_right_one(tmp_path: Path) -> None:
    assert Release(VERSION, "arm64", fill(tmp_path, "arm64")).fetched()["program"]["path"] == f"{tmp_path}/k3s-arm64"


@pytest.mark.parametrize("wrong", ["k3s", "k3s-airgap-images-amd64.tar"])
def test_a_file_that_is_another_one_is_refused_and_both_checksums_are_said(tmp_path: Path, wrong: str) -> None:
    fill(tmp_path, "amd64", "k3s-airgap-images-amd64.tar")
    (tmp_path / wrong).write_bytes(b"half")
    check_folder(tmp_path)  # quick: it reads no file
    with pytest.raises(Refused, match=r"is not the file that sha256sum-amd64\.txt says") as caught:
        verify_folder(tmp_path)
    assert caught.value.where == str(tmp_path / wrong)
    assert caught.value.detail == f"sha256 {sha(b'half')}\nwanted {sha(wrong.encode())}"


@pytest.mark.parametrize(
    ("lacks", "words"),
    [
        ("sha256sum-amd64.txt", "no checksums of K3s here"),
        ("k3s", "cannot be read"),
        ("", "there is no such folder"),
    ],
)
def test_what_a_folder_lacks_is_said(tmp_path: Path, lacks: str, words: str) -> None:
    folder = fill(tmp_path / "k3s")
    if lacks:
        (folder / lacks).unlink()
    with pytest.raises(SpecError, match=words):
        verify_folder(folder if lacks else tmp_path / "other")


def test_a_list_without_the_programs_checksum_is_of_another_release(tmp_path: Path) -> None:
    (fill(tmp_path) / "sha256sum-amd64.txt").write_text(f"{'0' * 64}  k3s-armhf\nnonsense\n")
    with pytest.raises(SpecError, match="has no checksum of k3s"):
        check_folder(tmp_path)


def test_every_list_in_a_folder_counts(tmp_path: Path) -> None:
    fill(fill(tmp_path), "arm64")
    (tmp_path / "k3s-arm64").write_bytes(b"")
    with pytest.raises(Refused, match=r"sha256sum-arm64\.txt"):
        verify_folder(tmp_path)


def test_a_machine_that_k3s_is_not_made_for_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match="no K3s for riscv64"):
        Release(VERSION, "riscv64", tmp_path)


@pytest.fixture
def releases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A server of releases, and the folder that it shows."""
    monkeypatch.setattr(k3s.paths, "cache", lambda: tmp_path / "cache")
    folder = tmp_path / "served"
    fill(folder / VERSION)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", folder / VERSION
        server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_without_a_folder_the_files_are_downloaded_once(releases: tuple[str, Path]) -> None:
    url, served = releases
    found = Release(VERSION, "amd64", None, url).fetched()
    assert Path(found["program"]["path"]).read_bytes() == b"k3s"
    for path in served.iterdir():
        path.unlink()
    assert Release(VERSION, "amd64", None, url).fetched() == found


def test_a_download_that_is_another_file_is_not_kept(releases: tuple[str, Path]) -> None:
    url, served = releases
    (served / "k3s").write_bytes(b"half")
    with pytest.raises(EngineFailed, match="not the expected one"):
        Release(VERSION, "amd64", None, url).fetched()
    (served / "k3s").write_bytes(b"k3s")
    assert Release(VERSION, "amd64", None, url).fetched()["program"]["sha256"] == sha(b"k3s")


def test_a_kept_file_that_has_changed_since_is_refused(releases: tuple[str, Path]) -> None:
    url, _ = releases
    Path(Release(VERSION, "amd64", None, url).fetched()["program"]["path"]).write_bytes(b"changed")
    with pytest.raises(Refused):
        Release(VERSION, "amd64", None, url).fetched()


def test_a_release_that_there_is_none_of_and_a_server_that_does_not_answer_are_two_things(
    releases: tuple[str, Path],
) -> None:
    url, _ = releases
    with pytest.raises(EngineFailed, match="no such release"):
        Release("v1.99.0+k3s1", "amd64", None, url).listed()
    with pytest.raises(Unreachable) as caught:
        Release("v1.99.0+k3s1", "amd64", None, "http://127.0.0.1:9").listed()
    assert "k3s.from" in caught.value.todo


def test_as_a_program_it_prints_json_or_says_in_words_why_not(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "du_infra.engines.k3s", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = run("fetch", VERSION, "amd64", str(fill(tmp_path)))
    assert json.loads(done.stdout)["program"]["path"] == f"{tmp_path}/k3s"
    (tmp_path / "k3s").write_bytes(b"half")
    done = run("fetch", VERSION, "amd64", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{tmp_path}/k3s: is not the file that sha256sum-amd64.txt says")
