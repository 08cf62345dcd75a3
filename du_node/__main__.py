"""The verbs of ``du-node``; see _USAGE. What each needs is imported when it is called."""

from __future__ import annotations

import signal
import sys
import time

TYPE_CHECKING = False  # typing itself is not imported: serve has 15 MB
if TYPE_CHECKING:
    from collections.abc import Callable

    from du_node.outcome import Outcome

_USAGE = (
    "usage: du-node apply [--now] | before [--stop] | secrets | status | drain [--cut-after SECONDS] | undrain | serve"
    " | heal [--peers | SERVICE…]"
    " | k3s join|start|datastore|migrate|undo|reset|leave|upgrade|access|copies|state|backup|restore"
    " | examine | regions | version\n"
)
_PATIENCE = 10.0
# What an apply that is ended has started, say the stop of a container, ends by itself.
_PATIENCE_NOW = 60.0


def main(argv: list[str]) -> int:
    """Run a verb; its exit code (see du_node.errors)."""
    verbs = {"apply": _apply, "heal": _heal, "status": _status, "serve": _serve, "version": _version}
    verbs.update(before=_before, secrets=_secrets, drain=_drain, undrain=_undrain, k3s=_k3s, examine=_examine)
    verbs.update(regions=_regions)
    if not argv or argv[0] not in verbs:
        sys.stderr.write(_USAGE)
        return 2
    return verbs[argv[0]](argv[1:])


def _apply(options: list[str]) -> int:
    from du_node.apply import apply

    if options not in ([], ["--now"]):
        sys.stderr.write(_USAGE)
        return 2
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a cut connection must not stop us half-way
    text = sys.stdin.read()
    now = bool(options)
    return _work("apply", lambda lock: apply(text, lock), _PATIENCE_NOW if now else _PATIENCE, now=now)


def _before(options: list[str]) -> int:
    from du_node.before import before, stop
    from du_node.say import say

    if options not in ([], ["--stop"]):
        sys.stderr.write(_USAGE)
        return 2
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    began = time.monotonic()

    def work() -> int:
        if options:
            say(kind="result", ok=True, stopped=stop(sys.stdin.read()))
            return 0
        log = before(sys.stdin.read())
        say(kind="result", ok=True, log=log, seconds=round(time.monotonic() - began, 3))
        return 0

    return _told(work)


def _heal(sick: list[str]) -> int:
    if sick == ["--peers"]:
        return _follow_peers()
    from du_node.apply import heal

    return _work("heal", lambda lock: heal(frozenset(sick), lock), 0.0)


def _follow_peers() -> int:
    from du_node.rotation import bring
    from du_node.say import say

    began = time.monotonic()

    def work() -> int:
        say(kind="result", ok=True, steps=int(bring()), seconds=round(time.monotonic() - began, 3))
        return 0

    return _told(work)


def _drain(options: list[str]) -> int:
    from du_node.drain import CUT_AFTER, drain
    from du_node.say import say

    seconds = _seconds(options, CUT_AFTER)
    if seconds is None:
        sys.stderr.write(_USAGE)
        return 2
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a cut connection must not stop us half-way
    began = time.monotonic()

    def work() -> int:
        say(kind="result", ok=True, cut=drain(seconds), seconds=round(time.monotonic() - began, 3))
        return 0

    return _told(work)


def _seconds(options: list[str], default: float) -> float | None:
    """The number after --cut-after; None when the options say something else."""
    if not options:
        return default
    try:
        name, text = options
        seconds = float(text)
    except ValueError:
        return None
    return seconds if name == "--cut-after" and 0 <= seconds < float("inf") else None


def _undrain(_: list[str]) -> int:
    from du_node.drain import undrain
    from du_node.say import say

    def work() -> int:
        undrain()
        say(kind="result", ok=True)
        return 0

    return _told(work)


def _secrets(_: list[str]) -> int:
    from du_node.say import say
    from du_node.secrets import keep

    def work() -> int:
        say(kind="result", ok=True, written=keep(sys.stdin.read()))
        return 0

    return _told(work)


def _k3s(options: list[str]) -> int:
    from du_node.k3s import verbs

    if len(options) != 1 or not verbs.known(options[0]):
        sys.stderr.write(_USAGE)
        return 2
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def work() -> int:
        if apart := verbs.APART.get(options[0]):
            apart()
        else:
            verbs.work(options[0], sys.stdin.read())
        return 0

    return _told(work)


def _work(verb: str, work: Callable[[int], Outcome], patience: float, *, now: bool = False) -> int:
    from du_node.files import Lock
    from du_node.say import say

    began = time.monotonic()

    def locked() -> int:
        lock = Lock(verb, now=now)
        lock.take(patience)
        outcome = work(lock.descriptor)
        say(
            kind="result",
            ok=not outcome.errors,
            steps=outcome.steps,
            failed=sorted(outcome.errors),
            held=outcome.held,
            seconds=round(time.monotonic() - began, 3),
        )
        return outcome.exit_code

    return _told(locked)


def _told(work: Callable[[], int]) -> int:
    """The exit code of ``work``; an error of its is a line of output, and says the code."""
    from du_node.errors import NodeError, of_system
    from du_node.say import say

    try:
        return work()
    except NodeError as found:
        trouble = found
    except OSError as found:
        trouble = of_system(found)
    say(**trouble.line())
    return trouble.exit_code


def _status(_: list[str]) -> int:
    import json

    from du_node.status import status

    sys.stdout.write(json.dumps(status()) + "\n")
    return 0


def _examine(_: list[str]) -> int:
    import json

    from du_node.examine import examine

    sys.stdout.write(json.dumps(examine()) + "\n")
    return 0


def _regions(_: list[str]) -> int:
    import json

    from du_node.outlook_told import outlook_told

    try:
        told = outlook_told("" if sys.stdin.isatty() else sys.stdin.read())
    except ValueError as trouble:
        sys.stderr.write(f"this is no list of regions: {trouble}\n")
        return 2
    sys.stdout.write(json.dumps(told) + "\n")
    return 0


def _serve(_: list[str]) -> int:
    from du_node.serve import Server

    Server().run()
    return 0


def _version(_: list[str]) -> int:
    from du_node import __version__

    sys.stdout.write(f"{__version__}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
