"""The load client against the real things: our nginx being reloaded and killed, our sample service being stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.load.http2 import Frames
from bench.load.runner import Load
from tests.unit.node.test_nginx_conf import nginx

_ROOT = Path(__file__).resolve().parents[3]
_MIX = "get=60,post=40,get-fresh=30,post-fresh=20,h2-get=30,h2-post=20"
_CONF = """\
daemon off; master_process on; pid {folder}/pid; error_log stderr crit; worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
    uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    keepalive_min_timeout 1s;
    server {{
        listen 127.0.0.1:{port}; http2 on; root {folder};
        location / {{ add_header X-Du-Release one always; return 200 "$content_length"; }}
    }}
}}
"""


def free_port() -> int:
    with socket.socket() as link:
        link.bind(("127.0.0.1", 0))
        return int(link.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.02)


@contextmanager
def process(*command: str, port: int, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A server for as long as the block lasts, with its children."""
    made = subprocess.Popen(command, start_new_session=True, env={**os.environ, **environment})
    try:
        wait_for(port)
        yield made
    finally:
        if made.poll() is None:
            os.killpg(made.pid, signal.SIGKILL)
        made.wait()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    (tmp_path / "nginx.conf").write_text(_CONF.format(folder=tmp_path, port=port))
    command = [nginx(), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    with process(*command, port=port) as made:
        yield f"127.0.0.1:{port}", made


@contextmanager
def hello(version: str = "v1") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    port = free_port()
    program = str(_ROOT / "samples" / "hello" / "app.py")
    with process(sys.executable, program, port=port, HELLO_PORT=str(port), HELLO_VERSION=version) as made:
        yield f"127.0.0.1:{port}", made


def test_nginx_loses_nothing_on_reload_over_http_1_and_2(served: tuple[str, subprocess.Popen[bytes]]) -> None:
    address, server = served
    with Load(address, _MIX) as load:
        for _ in range(4):
            time.sleep(0.7)
            server.send_signal(signal.SIGHUP)
        time.sleep(0.5)
    assert load.report.lost == 0, str(load.report)
    assert load.report.requests > 400
    assert load.report.releases == {"one"}
    assert set(load.report.told["kinds"]) == {part.partition("=")[0] for part in _MIX.split(",")}


def test_nginx_killed_is_a_loss_of_every_kind(served: tuple[str, subprocess.Popen[bytes]]) -> None:
    address, server = served
    with Load(address, _MIX) as load:
        time.sleep(1)
        os.killpg(server.pid, signal.SIGKILL)
        time.sleep(0.5)
    kinds = {what.partition(":")[0] for what in load.report.lost_by}
    assert kinds == {part.partition("=")[0] for part in _MIX.split(",")}, str(load.report)
    assert all(loss["at"] >= 0.9 for loss in load.report.told["losses"])


def test_messages_of_streams_come_back_and_a_stop_of_the_service_is_a_cut_not_a_loss() -> None:
    with hello() as (address, server), Load(address, "websocket=3,events=2") as load:
        time.sleep(3)
        server.terminate()
        server.wait(10)
    report = load.report
    assert report.told["kinds"]["websocket"]["count"] >= 15
    assert report.told["kinds"]["events"]["count"] >= 4
    assert report.cut == 5, report.told["cuts"]
    assert sum("code 1001" in cut["what"] for cut in report.told["cuts"]) == 3
    assert all("refused" in what for what in report.lost_by)


def test_a_mix_of_everything_is_served_by_the_sample() -> None:
    with hello() as (address, _), Load(address, "get=20,post=20,slow=2,websocket=1,events=1") as load:
        time.sleep(1)
    assert load.report.lost == 0, str(load.report)
    assert load.report.told["kinds"]["slow"]["count"] >= 1


def test_a_goodbye_is_taken_out_of_the_frames_wherever_the_bytes_are_cut() -> None:
    ping = b"\x00\x00\x08\x06\x00" + b"\x00" * 4 + b"12345678"
    goaway = b"\x00\x00\x08\x07\x00" + b"\x00" * 4 + (17).to_bytes(4, "big") + b"\x00" * 4
    for size in (1, 5, 13, 100):
        frames, data = Frames(), ping + goaway + ping
        kept = b"".join(frames.feed(data[start : start + size]) for start in range(0, len(data), size))
        assert (kept, frames.last) == (ping + ping, 17)


def test_more_streams_than_a_server_takes_at_once_need_another_connection_and_lose_nothing(tmp_path: Path) -> None:
    port = free_port()
    conf = _CONF.format(folder=tmp_path, port=port).replace("http2 on;", "http2 on; http2_max_concurrent_streams 4;")
    (tmp_path / "nginx.conf").write_text(conf)
    command = [nginx(), "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    with process(*command, port=port) as server, Load(f"127.0.0.1:{port}", "h2-get=200,h2-post=100") as load:
        time.sleep(0.5)
        server.send_signal(signal.SIGSTOP)
        subprocess.run(["pkill", "-STOP", "-P", str(server.pid)], check=True)
        time.sleep(0.3)
        subprocess.run(["pkill", "-CONT", "-P", str(server.pid)], check=True)
        server.send_signal(signal.SIGCONT)
        time.sleep(0.3)
    assert load.report.lost == 0, str(load.report)
    assert load.report.told["kinds"]["h2-get"]["worst_ms"] > 200
