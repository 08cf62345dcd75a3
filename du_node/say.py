"""du-node's output: one JSON object a line. A reader that went away stops nothing."""

from __future__ import annotations

import json
import os
import sys


def say(**line: object) -> None:
    """Write one line; when nobody reads any more, write no more."""
    try:
        sys.stdout.write(json.dumps(line, ensure_ascii=False) + "\n")
        sys.stdout.flush()
    except OSError:
        # what is left in the buffer must not fail again when Python ends
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
