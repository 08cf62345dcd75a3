"""What a node says forges no line of a log, and no terminal obeys it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from du_infra.cli.control.run import _Lines
from du_infra.cli.live_board import LiveBoard
from du_infra.cli.printable import printable
from du_infra.cli.progress_view import PlainLines
from du_infra.control.decision import Decision
from du_infra.progress import Event

FORGED = "does not work: \x1b[2J\x1b]0;owned\x07\x9b31m\x7f\r\n2026-12-01T00:00:00Z done     home: all is well"


@given(st.text())
def test_whatever_it_was_is_one_printable_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
    assert not text.isprintable() or shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("v1 → v2: 98 %", "v1 → v2: 98 %"),
        ("first\r\n\tsecond", "first second"),
        ("\x1b[2J\x07\x7f", r"\x1b[2J\x07\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202eback", r"\u202eback"),
        ("\udc80", r"\udc80"),  # would raise UnicodeEncodeError when it is written
    ],
)
def test_what_is_not_printable_is_named(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_a_decision_is_one_line_whatever_a_node_said(capsys: pytest.CaptureFixture[str]) -> None:
    _Lines("text").tell(Decision("home", "left", FORGED, "n1\x1b[2J"))
    (line,) = capsys.readouterr().out.splitlines()
    assert line.isprintable()
    assert line.endswith(r"n1\x1b[2J: does not work: \x1b[2J\x1b]0;owned\x07\x9b31m\x7f " + FORGED.splitlines()[-1])


def test_progress_is_one_line_whatever_a_node_said(capsys: pytest.CaptureFixture[str]) -> None:
    PlainLines()(Event("warning", "machines", FORGED, node="n1\n"))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.isprintable()


def test_a_node_draws_nothing_on_the_board() -> None:
    out = io.StringIO()
    with LiveBoard(Console(file=out, force_terminal=True, width=200)) as board:
        board(Event("stage", "machines"))
        board(Event("warning", "machines", FORGED, node="n1"))
        board(Event("step", "machines", FORGED, node="n1"))
    told = out.getvalue()
    assert r"\x1b]0;owned" in told
    assert not [part for part in ("\x1b[2J", "\x1b]0;", "\x07", "\x9b", "\x7f") if part in told]
