"""The Terraform folder of one region: root module, values, state; and what is done with them.

Level-triggered: ``plan_for`` first makes the state agree with the machines that are really there, so that a
run that was killed at any moment is followed by one that goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from du_infra.assets import asset
from du_infra.engines.terraform import setup
from du_infra.engines.terraform.binary import Binary
from du_infra.engines.terraform.plan import Plan, read_plan
from du_infra.engines.terraform.rootmodule import Hooks, write_root
from du_infra.engines.terraform.runner import LOCK_TIMEOUT, STAGE, Runner
from du_infra.engines.terraform.state import Tracked, read_state
from du_infra.errors import EngineFailed
from du_infra.progress import Event, Reporter, silent

STATE_FILE = "terraform.tfstate"
PLAN_FILE = "plan.tfplan"
_PASSING = "The source server isn't listening on the network"
"""LXD's provider 1.5.0 says so now and then when it makes two machines at once; what is left of the plan, and no more
than that, is tried once more."""


class Workspace:
    """Terraform for one region. The caller holds the region's lock; a folder is not for two at once.

    ``env`` goes to Terraform and its provider ({"LXD_SOCKET": …}); ``modules`` is du-infra's own folder
    unless a test has its own. Every method may raise EngineFailed, whose ``detail`` is Terraform's own
    message, or Busy.
    """

    def __init__(self, folder: Path, binary: Binary, env: Mapping[str, str], modules: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.binary = binary
        self._modules = modules
        self._run = Runner(self.folder, binary, env)

    def write(self, module: str, variables: Mapping[str, object], hooks: Hooks | None = None) -> None:
        """Write the root module for ``module`` ("region-pool/lxd") and the values of its inputs."""
        write_root(self.folder, self._modules or asset("modules"), module, variables, hooks)

    def init(self, report: Reporter = silent) -> None:
        """Fetch the providers; does nothing when nothing changed that it depends on."""
        setup.init(self._run, report)

    def plan(self, *, destroy: bool = False) -> Plan:
        """What would change; the plan is kept in a file, and ``apply`` carries out exactly that.

        The second process, which reads the plan file, is only run when the first says that something changes.
        """
        messages = self._run.stream("plan", out=PLAN_FILE, destroy=destroy, input=False, lock_timeout=LOCK_TIMEOUT)
        if not any(_announces_change(message) for message in messages):
            return Plan()
        return read_plan(self._run.read("show", PLAN_FILE))

    def plan_for(self, machines: Iterable[str], *, destroy: bool = False, report: Reporter = silent) -> Plan:
        """``plan``, after making the state agree with the machines that are there.

        ``machines`` are the names of every instance on the provider that carries our owner label. What only
        the state has is forgotten (the LXD provider fails on it). What only the provider has, because a run
        was killed in between, is imported; Terraform can do so only for names among ``nodes`` of ``write``,
        and a warning names the others. What was left half-made is kept.
        """
        there = frozenset(machines)
        tracked = self.tracked()
        self._forget([one for one in tracked.values() if one.name not in there], report)
        self._keep([one for one in tracked.values() if one.tainted and one.name in there], report)
        if there <= tracked.keys():
            return self.plan(destroy=destroy)
        plan = self.plan()
        strays = {one.name: one.address for one in plan.changes if one.kind == "create" and one.name in there}
        for name in sorted(there - tracked.keys() - strays.keys()):
            report(Event("warning", STAGE, "carries our label, but is not among the region's nodes", name))
        self.adopt(strays, report)
        return self.plan(destroy=destroy) if strays or destroy else plan

    def apply(self, plan: Plan, report: Reporter = silent) -> None:
        """Carry out the plan that ``plan`` made last. At Ctrl-C, Terraform ends in order and writes state."""
        if plan.empty:
            return
        try:
            self._apply(report)
        except EngineFailed as error:
            if _PASSING not in error.detail:
                raise
            again = self.plan()
            if not {(one.address, one.kind) for one in again.changes} <= {(c.address, c.kind) for c in plan.changes}:
                raise
            self._apply(report)
        (self.folder / PLAN_FILE).unlink(missing_ok=True)

    def _apply(self, report: Reporter) -> None:
        self._run.stream("apply", PLAN_FILE, report=report, input=False, lock_timeout=LOCK_TIMEOUT)

    def adopt(self, addresses: Mapping[str, str], report: Reporter = silent) -> None:
        """Take machines into the state that exist already: node name → resource address."""
        for name, address in addresses.items():
            report(Event("step", STAGE, "taking over a machine that was left by a killed run", name))
            self._run.plain("import", address, name, input=False, lock_timeout=LOCK_TIMEOUT)

    def tracked(self) -> dict[str, Tracked]:
        """The nodes that the state has, by name."""
        if not (self.folder / STATE_FILE).is_file():
            return {}
        return read_state(self._run.read("show"))

    def outputs(self) -> dict[str, Any]:
        """The values of the outputs ``nodes`` and ``vip``; {} when nothing was applied yet."""
        if not (self.folder / STATE_FILE).is_file():
            return {}
        return {name: output["value"] for name, output in self._run.read("output").items()}

    def _forget(self, gone: list[Tracked], report: Reporter) -> None:
        for one in gone:
            report(Event("step", STAGE, "is gone from the provider", one.name))
        if gone:
            addresses = [one.address for one in gone]
            self._run.plain("state rm", *addresses, lock_timeout=LOCK_TIMEOUT)

    def _keep(self, half_made: list[Tracked], report: Reporter) -> None:
        """A machine that failed to start is whole: the caller starts it, and it need not be replaced."""
        for one in half_made:
            report(Event("step", STAGE, "was left half-made; going on with it", one.name))
            self._run.plain("untaint", one.address, lock_timeout=LOCK_TIMEOUT)


def _announces_change(message: Mapping[str, Any]) -> bool:
    match message.get("type"):
        case "planned_change":
            return True
        case "outputs":
            return any(output.get("action") != "noop" for output in message["outputs"].values())
    return False
