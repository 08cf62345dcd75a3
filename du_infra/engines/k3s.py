"""K3s for nodes: a release's files, from a folder or from GitHub, each checked. The role k3s calls this as a program.

    python -m du_infra.engines.k3s list  VERSION ARCHITECTURE [FOLDER]
    python -m du_infra.engines.k3s fetch VERSION ARCHITECTURE [FOLDER]

Both print {"program": {"name", "sha256"}, "images": [the same …]}; ``fetch`` adds each file's ``path``, after it has
looked at the file itself. ARCHITECTURE is Debian's word. The names of the files, and of the lists with their checksums,
are those of K3s's releases (docs.k3s.io, "Air-Gap Install").
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from du_infra import paths
from du_infra.engines.answer import answer
from du_infra.engines.download import checksum, fetch, workshop
from du_infra.errors import EngineFailed, Refused, SpecError, ToolMissing, Unreachable

RELEASES = "https://github.com/k3s-io/k3s/releases/download"

# Debian's word → the program's name in a release.
_PROGRAMS = {"amd64": "k3s", "arm64": "k3s-arm64", "armhf": "k3s-armhf"}
LISTS = "sha256sum-*.txt"
"""The lists of checksums in a folder of a release, one for each kind of machine."""
# In this order: of several archives of the same images the smallest is taken.
_ENDINGS = (".tar.zst", ".tar.gz", ".tar")
_LINE = re.compile(r"^([0-9a-f]{64}) [ *](\S+)$", re.MULTILINE)
_CHUNK = 1 << 20
_SECONDS = 20.0


class Release:
    """One release of K3s for one kind of machine; ``folder`` has its files, without one they come from ``releases``."""

    def __init__(self, version: str, architecture: str, folder: Path | None, releases: str = RELEASES) -> None:
        if architecture not in _PROGRAMS:
            raise ToolMissing(
                f"there is no K3s for {architecture} machines", todo="choose another runtime for the region"
            )
        self._program = _PROGRAMS[architecture]
        self._list = f"sha256sum-{architecture}.txt"
        self._images = [f"k3s-airgap-images-{architecture}{ending}" for ending in _ENDINGS]
        self._url = f"{releases}/{quote(version, safe='')}"
        self._folder = folder
        self._kept = folder or paths.cache() / "tools" / f"k3s-{version}"

    def listed(self) -> dict[str, Any]:
        """The files that a node gets, and the checksum that each should have. Downloads the list where it has to.

        Raises SpecError where the folder lacks something, Unreachable.
        """
        sums = self._sums()
        program = _entry(sums, self._program, self._kept / self._list)
        there = [name for name in self._images if self._folder and (self._folder / name).exists()]
        return {"program": program, "images": [_entry(sums, name, self._kept / self._list) for name in there[:1]]}

    def fetched(self) -> dict[str, Any]:
        """``listed``, with each file's path, once it is known to be the right one.

        Raises Refused for a file that is another one, Unreachable, EngineFailed.
        """
        listed = self.listed()
        for entry in (listed["program"], *listed["images"]):
            path = self._kept / entry["name"]
            if self._folder is None and not path.exists():
                with workshop(self._kept) as making:
                    fetch(f"{self._url}/{entry['name']}", making / entry["name"], entry["sha256"])
                    (making / entry["name"]).replace(path)
            check_file(path, entry["sha256"], self._kept / self._list)
            entry["path"] = str(path)
        return listed

    def _sums(self) -> Mapping[str, str]:
        path = self._kept / self._list
        if self._folder is not None:
            return sums_of(path)
        if not path.exists():
            with workshop(self._kept) as making:
                (making / self._list).write_bytes(_read(f"{self._url}/{self._list}"))
                (making / self._list).replace(path)
        return sums_of(path)


def check_folder(folder: Path) -> None:
    """See that a folder has what nodes get: at least one list of checksums, and the files that go with it.

    Quick: the files themselves are not read. Raises SpecError.
    """
    for path in lists_of(folder):
        architecture = path.stem.partition("-")[2]
        Release("", architecture, folder).listed()


def verify_folder(folder: Path) -> None:
    """Read every file that nodes may get, and see that it is the right one. Raises SpecError, Refused."""
    for path in lists_of(folder):
        Release("", path.stem.partition("-")[2], folder).fetched()


def lists_of(folder: Path) -> list[Path]:
    """The lists of checksums for machines that K3s has a program for. Raises SpecError when there is none."""
    if not folder.is_dir():
        raise SpecError(
            "there is no such folder", where=str(folder), todo="k3s.from of the region in fleet.yaml names it"
        )
    found = [folder / f"sha256sum-{architecture}.txt" for architecture in _PROGRAMS]
    found = [path for path in found if path.exists()]
    if not found:
        raise SpecError(
            "no checksums of K3s here",
            where=str(folder),
            todo=f"lay the release's {LISTS} beside its program",
        )
    return found


def sums_of(path: Path) -> dict[str, str]:
    """Name → SHA-256, from a list as sha256sum writes it. Raises SpecError."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        todo = f"lay the release's {path.name} beside its program"
        raise SpecError("no checksums of K3s here", where=str(path), todo=todo, detail=str(error)) from error
    return {name: digest for digest, name in _LINE.findall(text)}


def check_file(path: Path, sha256: str, source: Path) -> None:
    """See that a file is the one that ``source`` says. Raises Refused when it is another, SpecError without one."""
    try:
        found = checksum(path)
    except OSError as error:
        raise SpecError("cannot be read", where=str(path), detail=str(error)) from error
    if found != sha256:
        raise Refused(
            f"is not the file that {source.name} says: nothing of it was installed",
            where=str(path),
            todo="fetch the program and the list of the same release anew",
            detail=f"sha256 {found}\nwanted {sha256}",
        )


def _entry(sums: Mapping[str, str], name: str, source: Path) -> dict[str, str]:
    if name not in sums:
        raise SpecError(f"has no checksum of {name}", where=str(source), todo="fetch the list of the same release anew")
    return {"name": name, "sha256": sums[name]}


def _read(url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - https, or a test's own server
            content: bytes = answer.read(_CHUNK)
            return content
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise Unreachable("cannot download", where=url, detail=str(error)) from error
        raise EngineFailed(
            "there is no such release of K3s", where=url, todo="k3s.version in fleet.yaml names it"
        ) from error
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        todo = "name a folder with the release's files: k3s.from in fleet.yaml"
        raise Unreachable("cannot download", where=url, detail=str(error), todo=todo) from error


def _answer(arguments: list[str]) -> str:
    verb, version, architecture, *more = arguments
    release = Release(version, architecture, Path(more[0]) if more and more[0] else None)
    return json.dumps(release.fetched() if verb == "fetch" else release.listed())


def main(arguments: list[str]) -> int:
    """Print the answer; errors go to standard error."""
    return answer(lambda: _answer(arguments))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
