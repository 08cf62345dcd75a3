"""A shell on a node that is open all the time: what it is told happens a few milliseconds later."""

from __future__ import annotations

import subprocess
from contextlib import suppress


class Shell:
    """``sh`` on an LXD instance, over LXD and not over SSH: a cut SSH connection does not touch it."""

    def __init__(self, node: str) -> None:
        self.node = node
        argv = ["lxc", "exec", node, "-T", "--", "sh"]
        self._process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.ask("true")

    def ask(self, script: str) -> str:
        """Run a line and return what it says. The shell must be alive."""
        self.tell(f"{{ {script}\n}} 2>&1; echo end-of-answer")
        assert self._process.stdout is not None
        said: list[str] = []
        for line in self._process.stdout:
            if line.strip() == "end-of-answer":
                return "".join(said)
            said.append(line)
        raise AssertionError(f"the shell on {self.node} ended: {''.join(said)}")

    def tell(self, script: str) -> None:
        """Run a line and wait for nothing."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{script}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End it; the node may be gone already."""
        with suppress(OSError):
            self._process.communicate("exit\n", timeout=5) if self._process.poll() is None else None
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close() if pipe else None


def node_run(node: str, script: str, timeout: float = 60) -> str:
    """One script on a node by a shell of its own; what it says. Fails where the script does."""
    argv = ["lxc", "exec", node, "-T", "--", "sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=timeout, check=False)
    assert done.returncode == 0, f"{script}: {done.stderr or done.stdout}"
    return done.stdout
