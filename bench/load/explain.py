"""What went wrong with a request, in words that can be counted."""

from __future__ import annotations

import errno

from bench.load.http1 import Lost

TROUBLE = (OSError, Lost, TimeoutError, ValueError)
"""Everything that a request can end with when it gets no good answer."""

_WORDS = {
    errno.ECONNREFUSED: "connection refused",
    errno.ECONNRESET: "connection reset",
    errno.EPIPE: "connection reset",
    errno.EHOSTUNREACH: "host unreachable",
    errno.ENETUNREACH: "host unreachable",
    errno.EMFILE: "the load client has no more files",
}


def explain(error: BaseException) -> str:
    """For example "connection reset", "502", "timeout"."""
    if isinstance(error, Lost):
        return str(error)
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, OSError):
        return _WORDS.get(error.errno or 0, f"{type(error).__name__} {error.errno or ''}".strip())
    return f"not HTTP ({type(error).__name__}: {error})"
