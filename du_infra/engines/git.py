"""Git, for a fleet that is kept in a clone: what its branch and the other side's are, fetch, go forward. An adapter: it
decides nothing.

Git never asks anybody here: who needs a password that it does not know gets an error (gitglossary(7), git(1):
GIT_TERMINAL_PROMPT; a session of its own has no terminal that ssh(1) could ask at).
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from du_infra.engines.process import failed, missing, surroundings
from du_infra.errors import EngineFailed, SpecError

_QUICK, _PATIENT = 30.0, 90.0
_SECRET = re.compile(rb"://[^/@\s]*@")


class Clone:
    """The clone that a folder lies in. Raises SpecError where it lies in none, or its branch follows nothing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        where = str(folder)
        try:
            self._git("rev-parse", "--is-inside-work-tree")
        except EngineFailed as error:
            what = "this folder is in no clone that Git can use"
            raise SpecError(what, where=where, todo=_INTO, detail=error.detail) from error
        self.branch = self._git("symbolic-ref", "--quiet", "--short", "HEAD", fails=True) or ""
        if not self.branch:
            raise SpecError("the clone is at a commit, not on a branch", where=where, todo="git switch main")
        self.upstream = self._git("rev-parse", "--abbrev-ref", "@{upstream}", fails=True) or ""
        if not self.upstream:
            todo = f"git branch --set-upstream-to origin/{self.branch}"
            raise SpecError(f"the branch {self.branch} follows none of another repository", where=where, todo=todo)
        self._remote = self._git("config", "--get", f"branch.{self.branch}.remote", fails=True) or "origin"

    def fetch(self) -> None:
        """Learn what the other side has. Raises EngineFailed when it does not answer, or refuses."""
        self._git("fetch", "--quiet", self._remote, what=f"fetch {self.upstream}", seconds=_PATIENT)

    def ours(self) -> str:
        """The commit that is checked out."""
        return self._git("rev-parse", "HEAD") or ""

    def theirs(self) -> str:
        """The commit that the other side had when it was last asked."""
        return self._git("rev-parse", "@{upstream}") or ""

    def holds(self, commit: str, other: str) -> bool:
        """Whether ``commit`` has all that ``other`` has."""
        return self._git("merge-base", "--is-ancestor", other, commit, fails=True) is not None

    def read(self, commit: str, name: str) -> bytes | None:
        """A file of this folder in a commit; None where it has none."""
        done = self._run(("show", f"{commit}:./{name}"), _QUICK)
        return None if done.returncode else done.stdout

    def forward(self, commit: str) -> None:
        """Check out a commit that holds ours. Raises EngineFailed when what was changed here is in its way."""
        self._git("merge", "--quiet", "--ff-only", commit, what=f"check out {commit[:10]}")

    def title(self, commit: str) -> str:
        """The commit in a line: "1f0c2ab4d1 (Ada): nyc gets 25 %"."""
        short, who, what = (self._git("show", "--no-patch", "--format=%h%n%an%n%s", commit) or "\n\n").split("\n", 2)
        return f"{short} ({who}): {what}"

    def _git(self, *argv: str, fails: bool = False, what: str = "", seconds: float = _QUICK) -> str | None:
        """What it says; None where it says no and that may be. Raises EngineFailed."""
        done = self._run(argv, seconds)
        if not done.returncode:
            return done.stdout.decode(errors="replace").strip()
        if fails:
            return None
        raise failed(what or f"ask Git ({argv[0]})", "git", _SECRET.sub(b"://", done.stderr or done.stdout))

    def _run(self, argv: tuple[str, ...], seconds: float) -> subprocess.CompletedProcess[bytes]:
        quiet = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "", "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C.UTF-8"}
        env = {name: value for name, value in surroundings(quiet).items() if name not in _ELSEWHERE}
        command = ["git", "-C", os.fspath(self._folder), *argv]
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=seconds,
                env=env,
                start_new_session=True,
                check=False,
            )
        except FileNotFoundError:
            error = missing("git")
            error.todo = "apt-get install git"
            raise error from None
        except subprocess.TimeoutExpired:
            raise EngineFailed(f"no end after {seconds:.0f} s", where=f"git {argv[0]}") from None


_INTO = "clone the fleet's repository, and name the fleet.yaml in it: git clone URL"
_ELSEWHERE = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"})
"""What a hook of Git's sets for its children would lead to another repository (githooks(5))."""
