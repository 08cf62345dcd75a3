"""The faults: each does its harm to a node, or to the controller, within milliseconds."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from tests.faults.shell import Shell


@dataclass(frozen=True)
class Victim:
    """What can be harmed: a node by its shell, and the controller's process."""

    node: str
    shell: Shell
    controller: subprocess.Popen[str]


@dataclass(frozen=True)
class Fault:
    """A fault. With an ``outage`` no gateway lives for a while, so the time is measured instead of the losses."""

    name: str
    strike: Callable[[Victim], None]
    outage: float = 0.0
    """The longest time without a good answer that is allowed, in seconds; 0: nothing may be lost at all."""
    only: tuple[str, ...] = ()
    """The runtimes or gateways it concerns; all when empty."""

    def __str__(self) -> str:
        return self.name


def _on_node(script: str) -> Callable[[Victim], None]:
    return lambda victim: victim.shell.tell(script)


def _kill_controller(victim: Victim) -> None:
    os.kill(victim.controller.pid, signal.SIGKILL)
    victim.controller.wait()


def _restart_node(victim: Victim) -> None:
    subprocess.run(["lxc", "restart", "--force", victim.node], check=True, capture_output=True, timeout=60)


_APPLY = "kill -9 $(pgrep -f 'du-node (apply|heal)')"
_SERVE = "kill -9 $(systemctl show -p MainPID --value du-node)"
_SSH = "kill -9 $(pgrep -f '^sshd(-session)?: root')"

FAULTS = (
    Fault("apply", _on_node(_APPLY)),
    Fault("serve", _on_node(_SERVE)),
    Fault("ssh", _on_node(_SSH)),
    Fault("controller", _kill_controller),
    Fault("containerd", _on_node("kill -9 $(pidof containerd)")),
    Fault("dockerd", _on_node("kill -9 $(pidof dockerd)"), only=("docker",)),
    Fault("nginx", _on_node("kill -9 $(cat /run/nginx.pid)"), outage=10.0, only=("nginx",)),
    Fault("envoy", _on_node("kill -9 $(pidof envoy)"), outage=10.0, only=("envoy",)),
    Fault("restart", _restart_node, outage=60.0),
)


def fault(name: str) -> Fault:
    """By name."""
    return next(one for one in FAULTS if one.name == name)
