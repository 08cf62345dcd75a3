"""What the user probably meant."""

from __future__ import annotations

from collections.abc import Sequence

# Words that other tools use for our keys.
_ELSEWHERE = {
    "count": "nodes",
    "replicas": "nodes",
    "environment": "env",
    "ports": "port",
    "cmd": "command",
    "args": "command",
    "healthcheck": "ready",
    "health": "ready",
    "readiness": "ready",
    "hostname": "host",
    "domain": "host",
    "mem": "memory",
    "memory_limit": "memory",
    "timeout": "start_timeout",
    "version": "tag",
    "name": "fleet",
    "region": "regions",
    "service": "services",
    "cloud": "provider",
    "type": "size",
}


def nearest(word: str, known: Sequence[str]) -> str:
    """The known word that ``word`` is a misspelling of, or ""."""
    from difflib import get_close_matches

    plain = word.lower().replace("-", "_")
    by_plain = {name.lower().replace("-", "_"): name for name in known}
    if plain in by_plain:
        return by_plain[plain]
    if plain in _ELSEWHERE:
        return _ELSEWHERE[plain] if _ELSEWHERE[plain] in known else ""
    close = get_close_matches(plain[:100], list(by_plain), n=1, cutoff=0.6)
    return by_plain[close[0]] if close else ""


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """``did you mean home?``, or "" when nothing is near."""
    near = nearest(word, known)
    return f"did you mean {near}?" if near else ""
