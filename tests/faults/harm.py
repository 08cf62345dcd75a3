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
    may_go_back: bool = False
    """Whether the release may end on the old version: the fault hit what the new one needs."""

    @property
    def ends_controller(self) -> bool:
        """Whether somebody has to say `release resume` or `release abort` afterwards."""
        return "controller" in self.name

    def __str__(self) -> str:
        return self.name


def _on_node(script: str) -> Callable[[Victim], None]:
    return lambda victim: victim.shell.tell(script)


def _controller(victim: Victim) -> None:
    os.kill(victim.controller.pid, signal.SIGKILL)
    victim.controller.wait()


def _restart(victim: Victim) -> None:
    subprocess.run(["lxc", "restart", "--force", victim.node], check=True, capture_output=True, timeout=60)


def _both(first: Callable[[Victim], None], then: Callable[[Victim], None]) -> Callable[[Victim], None]:
    def strike(victim: Victim) -> None:
        first(victim)
        then(victim)

    return strike


_apply = _on_node("kill -9 $(pgrep -f 'du-node (apply|heal)')")

FAULTS = (
    Fault("apply", _apply),
    Fault("serve", _on_node("kill -9 $(systemctl show -p MainPID --value du-node)")),
    Fault("ssh", _on_node("kill -9 $(pgrep -f '^sshd(-session)?: root')")),
    Fault("controller", _controller),
    Fault("controller and apply", _both(_controller, _apply)),
    Fault("containerd", _on_node("kill -9 $(pidof containerd)"), may_go_back=True),
    Fault("dockerd", _on_node("kill -9 $(pidof dockerd)"), only=("docker",), may_go_back=True),
    Fault("nginx", _on_node("kill -9 $(cat /run/nginx.pid)"), 10.0, ("nginx",), may_go_back=True),
    Fault("envoy", _on_node("kill -9 $(pidof envoy)"), 10.0, ("envoy",), may_go_back=True),
    Fault("restart", _restart, 60.0, may_go_back=True),
    Fault("controller and restart", _both(_controller, _restart), 60.0, may_go_back=True),
)


def fault(name: str) -> Fault:
    """By name."""
    return next(one for one in FAULTS if one.name == name)
