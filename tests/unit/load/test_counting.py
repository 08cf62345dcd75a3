"""The load client counts what is lost: against servers that lose requests in every way there is."""

from __future__ import annotations

import asyncio
import socket
import time

import pytest

from bench.load.mix import run
from bench.load.plain import Kept
from bench.load.runner import Report
from bench.load.target import target
from tests.unit.load import servers
from tests.unit.load.servers import Handler, serving


def load(address: str, parts: dict[str, float], seconds: float = 0.7, timeout: float = 0.4) -> Report:
    """Run the mix in this process."""

    async def work() -> Report:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(seconds, stop.set)
        return Report((await run(parts, target(address), stop, timeout)).summary())

    return asyncio.run(work())


@pytest.mark.parametrize("kind", ["get", "post", "get-fresh", "post-fresh"])
def test_a_good_server_loses_nothing_and_every_request_is_counted(kind: str) -> None:
    with serving(servers.good) as address:
        report = load(address, {kind: 50})
    assert report.lost == 0, str(report)
    assert 25 <= report.requests <= 36
    assert report.releases == {"v1-aa"}
    assert report.told["kinds"][kind]["p50_ms"] < 100


@pytest.mark.parametrize("kind", ["get", "post", "get-fresh", "post-fresh"])
@pytest.mark.parametrize(
    ("handler", "what"),
    [
        (servers.drops, "closed before the answer"),
        (servers.resets, "connection reset"),
        (servers.bad_gateway, "502"),
        (servers.half, "closed within the answer"),
        (servers.hangs, "timeout"),
        (servers.babbles, "not HTTP"),
    ],
)
def test_whatever_a_server_does_instead_of_answering_is_a_loss(kind: str, handler: Handler, what: str) -> None:
    with serving(handler) as address:
        report = load(address, {kind: 60}, seconds=0.3, timeout=0.4 if handler is servers.hangs else 10)
    assert report.lost == report.requests > 10, str(report)
    assert all(what in key for key in report.lost_by), report.lost_by


def test_a_server_that_is_not_there_is_a_loss() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        report = load(f"127.0.0.1:{unused.getsockname()[1]}", {"get": 30, "h2-get": 10, "websocket": 1})
    assert {"get: connection refused", "h2-get: connection refused", "websocket: connection refused"} == set(
        report.lost_by
    )


def test_a_kept_connection_that_closes_on_its_next_request_is_a_loss_and_tried_only_once() -> None:
    with serving(servers.drops_second) as address:
        report = load(address, {"post": 60}, seconds=1)
    assert set(report.lost_by) == {"post: kept connection closed before the answer"}
    assert report.lost >= 10


def test_every_loss_has_its_moment_and_the_gap_between_good_answers_is_told() -> None:
    count = iter(range(1000))

    async def pause(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await (servers.drops if 15 <= next(count) < 35 else servers.once)(reader, writer)

    with serving(pause) as address:
        report = load(address, {"get-fresh": 50}, seconds=1.2)
    moments = [loss["at"] for loss in report.told["losses"]]
    assert len(moments) == report.lost == 20
    assert moments == sorted(moments)
    assert 0.25 < moments[0] < moments[-1] < 0.9
    assert 0.35 <= report.gap < 0.6


def test_late_answers_slow_no_later_request_down_and_count_from_when_they_were_due() -> None:
    with serving(servers.late) as address:
        report = load(address, {"get-fresh": 50}, seconds=1, timeout=2)
    assert report.lost == 0
    assert 40 <= report.requests <= 51
    assert 500 <= report.told["kinds"]["get-fresh"]["p50_ms"] < 650


def test_an_upload_takes_its_time_and_a_wrong_count_of_bytes_is_a_loss() -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await servers.read_request(reader)
        writer.write(servers.answer(b"19999"))

    with serving(servers.good) as address:
        fine = load(address, {"slow": 4}, seconds=0.6, timeout=5)
    with serving(short) as address:
        wrong = load(address, {"slow": 4}, seconds=0.6, timeout=5)
    assert (fine.lost, fine.requests) == (0, 2)
    assert fine.told["kinds"]["slow"]["p50_ms"] >= 3000
    assert wrong.lost_by == {"slow: wrong body": 2}


def test_a_connection_that_was_closed_while_our_loop_was_busy_is_not_used_again() -> None:
    async def closes_soon(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await servers.once(reader, writer)
        await writer.drain()

    async def work(address: str) -> int:
        client = Kept(target(address), "POST", connections=1)
        await client()
        time.sleep(0.2)  # the loop cannot see the end of the connection
        answer = await client()
        client.close()
        return answer.status

    with serving(closes_soon) as address:
        assert asyncio.run(work(address)) == 200
