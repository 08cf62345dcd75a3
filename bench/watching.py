"""What it costs to look at a thousand regions all the time: stubs on loopback, each asked for /readyz every 10 s."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bench.report import Row, at_most
from du_infra.control.context import RegionContext
from du_infra.control.traffic.watcher import Target, Watcher
from du_infra.pool.plan import PoolRecord
from du_infra.spec import FleetSpec

if TYPE_CHECKING:
    from multiprocessing.queues import Queue

REGIONS = 1000
_EVERY, _SECONDS, _PATIENCE = 10.0, 40.0, 120.0
_BODY = {"ready": True, "fleet": "bench", "releases": {f"s{number}": {"release": "v1-1a2b3c4d"} for number in range(3)}}


def measure() -> Iterator[Row]:
    """CPU and memory of the one who looks, in a process that does nothing else. Nodes are not asked: that is SSH's."""
    done = subprocess.run([sys.executable, "-m", "bench.watching"], check=True, capture_output=True, text=True)
    told = json.loads(done.stdout)
    yield at_most(f"{REGIONS:,} regions looked at every {_EVERY:.0f} s, CPU", told["cpu"], 100, "%")
    yield at_most("… memory", told["mb"], 300, "MB")
    yield at_most("… the oldest look", told["oldest"], 3 * _EVERY, "s")


def _stub(ports: Queue[int]) -> None:
    """All addresses of this machine's loopback are a region."""
    asyncio.run(_serve(ports))


async def _serve(ports: Queue[int]) -> None:
    body = json.dumps(_BODY).encode()
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "0.0.0.0", 0, backlog=1024)  # noqa: S104 - 127.1.0.1 is a region
    ports.put(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def _main() -> None:
    ports: Queue[int] = multiprocessing.Queue()
    stub = multiprocessing.Process(target=_stub, args=(ports,), daemon=True)
    stub.start()
    watcher = Watcher(lambda *_: [], port=ports.get())
    fleet = FleetSpec.model_validate({"fleet": "bench", "regions": {"a": {"provider": "lxd"}}})
    context, record = RegionContext(fleet, "a", Path("/nowhere")), PoolRecord()
    addresses = {f"r{number}": f"127.{1 + number // 250}.0.{1 + number % 250}" for number in range(REGIONS)}
    watcher.aim({name: Target(context, record, address) for name, address in addresses.items()}, _EVERY)
    watcher.start()
    deadline = time.monotonic() + _PATIENCE
    while len(watcher.board().own) < REGIONS and time.monotonic() < deadline:
        time.sleep(0.2)
    spent, began = time.process_time(), time.monotonic()
    time.sleep(_SECONDS)
    cpu = 100 * (time.process_time() - spent) / (time.monotonic() - began)
    looks = watcher.board().own.values()
    oldest = time.monotonic() - min(look.at for look in looks if look.said is not None)
    mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "mb": mb, "oldest": oldest}))
    stub.terminate()


if __name__ == "__main__":
    _main()
