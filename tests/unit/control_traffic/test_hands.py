"""Whoever brings a region somewhere is at work until that has ended, however it ended."""

from __future__ import annotations

from typing import Any

import pytest

from du_infra.control.traffic.hands import Hands
from du_infra.errors import NotReady
from du_infra.progress import Event


@pytest.mark.parametrize("trouble", [NotReady("a node does not answer"), ZeroDivisionError()])
def test_a_log_that_takes_no_more_words_leaves_nobody_at_work(trouble: Exception) -> None:
    order: Any = object()

    def bring(*_: object) -> None:
        raise trouble

    def full(event: Event) -> None:
        raise OSError(28, "No space left on device")

    def start(work: Any) -> None:
        with pytest.raises(OSError, match="No space"):
            work()

    hands = Hands({"home": order}, full, bring, start)
    hands.bring({"home": order}, one_by_one=True)
    assert hands.at_work == []
    assert "home" in hands.troubles
