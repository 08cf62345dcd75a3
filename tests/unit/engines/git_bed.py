"""A repository on this disk, a clone that pushes to it, and one in which a fleet is kept."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

FLEET = "fleet: demo\nregions:\n  home: {{provider: lxd, pool: {{nodes: {nodes}}}}}\nservices: {{}}\n"


def git(folder: Path, *argv: str) -> str:
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"]
    env = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null"}
    done = subprocess.run(["git", *who, *argv], cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


class GitBed:
    """``fleet`` is the clone that is followed; the fleet file lies in its folder ``prod``."""

    def __init__(self, folder: Path) -> None:
        self.origin, self.writer, self.fleet = folder / "origin.git", folder / "writer", folder / "fleet"
        git(folder, "init", "-q", "--bare", str(self.origin))
        git(folder, "clone", "-q", str(self.origin), str(self.writer))
        git(self.writer, "switch", "-q", "-c", "main")
        (self.writer / "prod").mkdir()
        self.push(FLEET.format(nodes=1), "begin")
        git(folder, "clone", "-q", "-b", "main", str(self.origin), str(self.fleet))

    @property
    def file(self) -> Path:
        return self.fleet / "prod" / "fleet.yaml"

    def commit(self, text: str, words: str) -> str:
        """In the writer's clone; the commit."""
        (self.writer / "prod" / "fleet.yaml").write_text(text)
        git(self.writer, "add", "-A")
        git(self.writer, "commit", "-q", "-m", words)
        return git(self.writer, "rev-parse", "HEAD")

    def push(self, text: str, words: str) -> str:
        found = self.commit(text, words)
        git(self.writer, "push", "-q", "-u", "origin", "main")
        return found
