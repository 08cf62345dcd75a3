"""Several regions behind one DNS name, on one machine: `make gtm-up`, `make control-up`, `make gtm-down`.

    python -m scripts.gtm up|control-up|control-down|down FLEET

Each step is a command that a user could type; run it again at any time. FLEET is examples/gtm/fleet.yaml as a rule.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import du_infra
from du_infra.control.traffic.entrance import Entrance
from du_infra.engines.daemon import Daemon
from du_infra.errors import DuError, NotReady, Refused

DU = (sys.executable, "-m", "du_infra")
PAGE = "127.0.0.1:9464"
_START_SECONDS = 30.0
_END_SECONDS = 120.0


def up(file: Path) -> None:
    """Every region, and the name that leads to them."""
    for region in du_infra.load(file).spec.regions:
        _du("region", "up", region, "--yes", file=file)
    _du("traffic", "apply", "--yes", file=file)
    print(f"\n{ask_words(file)}\nmake control-up: the loop that minds all of it.  make gtm-down: all of it away.")


def control_up(file: Path) -> None:
    """The loop, in the background; what it decides goes to a log."""
    words = ask_words(file)  # refused where no region is up
    loop = control(file)
    if loop.find() is None:
        if _listens():
            raise Refused("another program listens there", where=PAGE, todo="end it: the loop's page needs the port")
        process = loop.start()
        deadline = time.monotonic() + _START_SECONDS
        while not _listens():
            if process.poll() is not None or time.monotonic() > deadline:
                raise NotReady("the loop did not start", where=str(loop.log), detail=loop.last_words())
            time.sleep(0.1)
    print(f"the loop runs\n  its page           http://{PAGE}/\n  what it decides    tail -f {_short(loop.log)}")
    print(words)


def control_down(file: Path) -> None:
    """What the loop has under way comes to its end first."""
    control(file).stop(sign=signal.SIGINT, wait=_END_SECONDS)


def down(file: Path) -> None:
    """Nothing is left but what other fleets use as well: the local cloud."""
    control_down(file)
    for region in du_infra.load(file).spec.regions:
        _du("region", "down", region, "--yes", file=file)


def control(file: Path) -> Daemon:
    """`du-infra control run` for this file."""
    argv = (*DU, "control", "run", "--listen", PAGE, "--fleet", str(file))
    state = file.parent / ".du"
    return Daemon(argv, state / "control.pid", state / "control.log")


def ask_words(file: Path) -> str:
    """How to ask, and how to look."""
    spec, folder = du_infra.load(file).spec, file.parent
    entrance = Entrance(spec, folder, file.name)
    lines = [f"  dig +short @{server.ask} {entrance.name}" for server in entrance.servers(entrance.records())]
    verbs = ("traffic status", "control explain", f"traffic shift {next(iter(spec.regions))}=10")
    lines += [f"  .venv/bin/du-infra {words} --fleet {_short(file)}" for words in verbs]
    return "\n".join(("to ask, and to look:", *lines))


def _du(*words: str, file: Path) -> None:
    done = subprocess.run([*DU, *words, "--fleet", str(file)], check=False)
    if done.returncode:
        raise SystemExit(done.returncode)


def _listens() -> bool:
    import socket

    host, _, port = PAGE.partition(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


VERBS = {"up": up, "control-up": control_up, "control-down": control_down, "down": down}


def main(argv: list[str]) -> int:
    """The exit code is that of du-infra."""
    if len(argv) != 2 or argv[0] not in VERBS:
        print(f"usage: python -m scripts.gtm {'|'.join(VERBS)} FLEET", file=sys.stderr)
        return 2
    try:
        VERBS[argv[0]](Path(argv[1]).resolve())
    except DuError as error:
        print("\n".join(filter(None, (f"Error: {error}", error.detail, error.todo))), file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
