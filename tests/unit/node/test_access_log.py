"""The access log is read as it grows, whatever happens to the file, and what is no line of ours is left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from du_node.observation.access import Attempt, Tail, parse, recent
from du_node.observation.signals import Tally
from du_node.serve import trim

OK = "1700000000.250 hello 127.0.0.1:20000 200 0.012 200"


def line(when: float, port: int = 20000) -> str:
    return f"{when:.3f} hello 127.0.0.1:{port} 200 0.012 200\n"


@pytest.mark.parametrize(
    ("text", "attempts"),
    [
        (OK, [Attempt(20000, 200, 12)]),
        (
            "1.0 hello 127.0.0.1:20001,127.0.0.1:20000 502,200 -,0.003 200",
            [Attempt(20001, 502, None), Attempt(20000, 200, 3)],
        ),
        (
            "1.0 hello 127.0.0.1:20001, 127.0.0.1:20000 504, 500 0.000, 0.003 500",
            [Attempt(20001, 504, 0), Attempt(20000, 500, 3)],
        ),
        ("1.0 hello 127.0.0.1:20000 101 0.002 101", [Attempt(20000, 101, None)]),
        ("1.0 hello 127.0.0.1:20000 200 12e-3 200", [Attempt(20000, 200, 12)]),
        ("1.0 hello 127.0.0.1:20000 200 -e-3 200", [Attempt(20000, 200, None)]),
        ("1.0 hello 127.0.0.1:20000 - - 499", []),
        ("1.0 hello 10.0.0.2:8082 502 0.001 502", []),
        ("1.0 hello 10.0.0.2:8082, 127.0.0.1:20000 504, 200 1.001, 0.002 200", [Attempt(20000, 200, 2)]),
        ("1.0 hello [fd00::3]:8082 : 127.0.0.1:20000 597 : 200 0.001 : 0.002 200", [Attempt(20000, 200, 2)]),
        ("1.0 hello du_hello 502 - 502", []),
        ("1.0 - - - - 404", []),
    ],
)
def test_a_line_tells_every_copy_that_was_asked_and_how_it_did(text: str, attempts: list[Attempt]) -> None:
    assert parse(text) == (float(text.split()[0]), attempts)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GET / HTTP/1.1",
        "x hello 127.0.0.1:20000 200 0.012 200",
        "1.0 hello 127.0.0.1:x 200 0.012 200",
        "1.0 hello 127.0.0.1:20000,127.0.0.1:20001 200 0.012 200",
        "1.0 hello 127.0.0.1:20000 two 0.012 200",
        "\x00\x00\x00",
        OK[:30],
    ],
)
def test_rubbish_and_half_lines_say_nothing(text: str) -> None:
    assert parse(text) == (0.0, [])


def test_only_what_comes_after_the_beginning_is_read_and_a_half_line_waits_for_its_end(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("old\n")
    tail = Tail(str(log))
    with log.open("a") as file:
        file.write("one\ntw")
        file.flush()
        assert list(tail.lines()) == ["one"]
        file.write("o\n")
        file.flush()
        assert list(tail.lines()) == ["two"]
        assert list(tail.lines()) == []


def test_a_log_that_is_made_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    (tmp_path / "access.log.1").write_text("of long ago\n")
    tail = Tail(str(log))
    assert list(tail.lines()) == []
    log.write_text("one\n")
    assert list(tail.lines()) == ["one"]


def test_nothing_is_lost_when_serve_trims_the_log(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("old\n" * 100)
    tail = Tail(str(log))
    with log.open("a") as writer:
        writer.write("one\n")
        writer.flush()
        assert list(tail.lines()) == ["one"]
        writer.write("two\n")
        writer.flush()
        trim(str(log))
        writer.write("three\n")
        writer.flush()
    assert list(tail.lines()) == ["two", "three"]


def test_nothing_is_lost_when_the_log_is_renamed(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("old\n")
    tail = Tail(str(log))
    with log.open("a") as writer:
        writer.write("one\n")
    log.rename(f"{log}.1")
    log.write_text("two\n")
    assert list(tail.lines()) == ["one", "two"]


def test_the_last_minutes_are_those_before_now(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text("".join(line(1000 + n, 20000 + n) for n in range(0, 400, 10)) + "rubbish\n" + line(1400)[:20])
    assert [attempt.port - 20000 for attempt in recent(60, 1400, str(log))] == [390, 380, 370, 360, 350, 340]


def test_what_was_moved_aside_a_moment_ago_counts(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    log.write_text(line(1000) + line(1001))
    trim(str(log))
    assert len(list(recent(60, 1002, str(log)))) == 2
    assert list(recent(60, 1002, str(tmp_path / "none"))) == []


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_was_set_takes_a_minute_at_most(tmp_path: Path, jump: float) -> None:
    log = tmp_path / "access.log"
    log.write_text("".join(line(1e6 + n) for n in range(100)) + "".join(line(1e6 + 100 + jump + n) for n in range(100)))
    assert len(list(recent(300, 1e6 + 200 + jump, str(log)))) == 200


def test_a_tally_counts_its_own_copy_and_leaves_the_time_of_failures_out() -> None:
    attempts = [Attempt(20000, 200, ms) for ms in range(1, 101)]
    attempts += [Attempt(20000, 500, 1), Attempt(20000, 502, None), Attempt(20001, 500, 1), Attempt(20000, 101, None)]
    tally = Tally(20000, attempts)
    assert (tally.requests, tally.errors, tally.timed) == (103, 2, 100)
    assert tally.p95_ms == 48  # of the blocks' 48 and 98, the lower
    assert Tally(20000, attempts[:40]).p95_ms == 38
    assert tally.error_share == 2 / 103
    empty = Tally(20002)
    assert (empty.error_share, empty.p95_ms) == (0.0, 0)
