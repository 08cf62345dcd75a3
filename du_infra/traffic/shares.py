"""Shares as the whole numbers that DNS servers take. Pure."""

from __future__ import annotations

from collections.abc import Mapping

HUNDRED = 100
_PERCENT_UP_TO = 20


def whole(shares: Mapping[str, float]) -> dict[str, int]:
    """Weights of 0 to 100 for any numbers of at least 0, so that shares stay as they are; who has some gets at least 1.

    Of up to twenty regions they are percent: they add up to 100. Of more, a percent would be too coarse: they are
    relative to the largest.
    """
    some = {name: share for name, share in shares.items() if share > 0}
    if not some:
        return dict.fromkeys(shares, 0)
    if len(some) > _PERCENT_UP_TO:
        factor = HUNDRED / max(some.values())
        return {name: max(1, round(share * factor)) if share > 0 else 0 for name, share in shares.items()}
    percent = _percent(some)
    return {name: percent.get(name, 0) for name in shares}


def alike(shares: Mapping[str, float]) -> dict[str, int]:
    """Weights for a backend that knows none: in or out."""
    return {name: int(share > 0) for name, share in shares.items()}


def _percent(some: Mapping[str, float]) -> dict[str, int]:
    """By the largest remainder; what the 1 % of the smallest costs is taken from the largest."""
    total = sum(some.values())
    exact = {name: share / total * HUNDRED for name, share in some.items()}
    found = {name: max(1, int(part + 1e-9)) for name, part in exact.items()}
    missing = HUNDRED - sum(found.values())
    for name in sorted(some, key=lambda name: (found[name] - exact[name], name))[: max(0, missing)]:
        found[name] += 1
    for _ in range(-missing):
        able = [name for name in found if found[name] > 1]
        found[max(able, key=lambda name: (found[name] - exact[name], found[name]))] -= 1
    return found


def spread(amount: int, parts: Mapping[str, int]) -> dict[str, int]:
    """``amount`` in whole numbers, in proportion to ``parts``; nobody gets more than his part of it rounded up."""
    total = sum(parts.values())
    found = {name: amount * part // total for name, part in parts.items()}
    missing = amount - sum(found.values())
    for name in sorted(parts, key=lambda name: (-(amount * parts[name] % total), name))[:missing]:
        found[name] += 1
    return found


def share_of(weights: Mapping[str, int]) -> dict[str, float]:
    """Each region's share, 0 to 1, of all the weights."""
    total = sum(weights.values())
    return {name: weight / total if total else 0.0 for name, weight in weights.items()}


def percent(share: float) -> str:
    """A share for people."""
    return f"{share * HUNDRED:.3g} %"
