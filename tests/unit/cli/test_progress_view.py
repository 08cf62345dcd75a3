"""Progress is plain lines for a log, and a board with times on a terminal."""

from __future__ import annotations

import io
import threading
import time

import pytest
from rich.console import Console

from du_infra.cli.live_board import LiveBoard
from du_infra.cli.progress_view import PlainLines
from du_infra.progress import Event, Reporter, stage


def tell(report: Reporter) -> None:
    with stage(report, "machines", "1 x 1c1g"):
        report(Event("step", "machines", "boots", node="demo-home-1"))
        report(Event("warning", "machines", "is slow", node="demo-home-1"))


def test_without_a_terminal_every_event_is_one_line_without_colour(capsys: pytest.CaptureFixture[str]) -> None:
    tell(PlainLines())
    told = capsys.readouterr()
    lines = told.err.splitlines()
    assert told.out == ""
    assert "machines: 1 x 1c1g" in lines[0]
    assert "demo-home-1: boots" in lines[1]
    assert "machines: done in 0.0 s" in lines[3]
    assert "\x1b" not in told.err


def test_on_a_terminal_the_board_ends_with_where_the_time_went() -> None:
    out = io.StringIO()
    with LiveBoard(Console(file=out, force_terminal=True, width=100)) as board:
        tell(board)
    told = out.getvalue()
    assert "machines" in told
    assert "total" in told
    assert "is slow" in told


def test_a_warning_while_the_board_is_drawn_holds_nobody_up() -> None:
    done = threading.Event()
    with LiveBoard(Console(file=io.StringIO(), force_terminal=True, width=100)) as board:

        def warn() -> None:
            for number in range(300):
                board(Event("warning", "machines", f"is slow, {number}"))
            done.set()

        threading.Thread(target=warn, daemon=True).start()
        deadline = time.monotonic() + 30
        while not done.is_set() and time.monotonic() < deadline:
            board._live.refresh()
    assert done.is_set()


def test_a_stage_that_fails_is_shown_as_failed() -> None:
    events: list[Event] = []
    with pytest.raises(ValueError, match="boom"), stage(events.append, "boot"):
        raise ValueError("boom")
    assert [e.kind for e in events] == ["stage", "failed"]
