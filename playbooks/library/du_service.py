#!/usr/bin/python
"""Ansible module: units run, and run with what now stands in their files."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: du_service
short_description: Units run, with the configuration that is on disk
description:
  - Compares the time of each file with the time its unit was started or last reloaded, and restarts or reloads
    the unit if the file is newer.
  - A handler would do so too, but forgets when the run is killed between the file and the restart.
options:
  units:
    description: >-
      The units: name; enabled (default true; null leaves it alone); state ("started", the default,
      "stopped", or null to leave it alone); restart and reload (lists of files that the unit reads);
      check (a command that fails when what the unit did is no longer there, which restarts it); optional (true
      passes over a unit that is not installed).
    type: list
    elements: dict
    required: true
author: du-infra
"""

EXAMPLES = r"""
- name: The gateway runs
  du_service:
    units:
      - name: nginx.service
        restart: [/etc/systemd/system/nginx.service]
        reload: [/etc/nginx/nginx.conf]
"""

RETURN = r"""
actions:
  description: The systemctl commands that were run, or would be.
  returned: success
  type: list
"""

_PROPERTIES = (
    "Id,LoadState,ActiveState,UnitFileState,NeedDaemonReload,ActiveEnterTimestampMonotonic,"
    "StateChangeTimestampMonotonic,ReloadResult"
)
_VERBS = ("enable", "disable", "stop", "reload", "restart")
_RUNNING = ("active", "reloading", "activating")


class Failed(Exception):
    """systemctl said no."""


def systemctl(*arguments: str) -> str:
    """Run systemctl; raises Failed with its words and the end of the journal of each unit that failed."""
    done = subprocess.run(["systemctl", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        journals = [journal(unit) for unit in arguments[1:] if failed(unit)]
        raise Failed("\n".join([f"systemctl {' '.join(arguments)}: {done.stderr.strip()}", *journals]).strip())
    return done.stdout


def failed(unit: str) -> bool:
    """Whether a unit is down after an attempt to run it, be it for good or until its next try."""
    state = ["systemctl", "is-active", unit]
    return subprocess.run(state, capture_output=True, text=True, check=False).stdout.strip() in ("failed", "activating")


def journal(unit: str) -> str:
    """The end of a unit's journal."""
    command = ["journalctl", "-u", unit, "-n", "8", "--no-pager", "-o", "cat"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def observe(names: list[str]) -> dict[str, dict[str, str]]:
    """What systemd says about the units, by the name that was asked for."""
    blocks = systemctl("show", "-p", _PROPERTIES, *names).strip().split("\n\n")
    facts = [dict(line.partition("=")[::2] for line in block.splitlines()) for block in blocks]
    return dict(zip(names, facts, strict=True))


def changed_at(paths: list[str], now: float, clock: float) -> float:
    """When the newest of these files changed, in microseconds of the monotonic clock; 0 without a file."""
    times = [Path(path).stat().st_mtime for path in paths if Path(path).exists()]
    return max([(now - (clock - moment)) * 1e6 for moment in times], default=0.0)


def verbs(unit: dict, fact: dict[str, str], now: float, clock: float) -> list[str]:
    """What to tell systemctl about one unit, in order."""
    todo = []
    enabled, state = unit.get("enabled", True), unit.get("state", "started")
    if enabled and fact["UnitFileState"] not in ("enabled", "static", "alias", "generated", "indirect"):
        todo.append("enable")
    if enabled is False and fact["UnitFileState"] == "enabled":
        todo.append("disable")
    running = fact["ActiveState"] in _RUNNING
    if state == "stopped":
        return [*todo, *(["stop"] if running else [])]
    if not running:
        return [*todo, *(["restart"] if state == "started" else [])]
    if changed_at(unit.get("restart", []), now, clock) > int(fact["ActiveEnterTimestampMonotonic"] or 0):
        return [*todo, "restart"]
    late = changed_at(unit.get("reload", []), now, clock) > int(fact["StateChangeTimestampMonotonic"] or 0)
    if late or (unit.get("reload") and fact.get("ReloadResult", "success") != "success"):
        return [*todo, "reload"]
    return [*todo, *(["restart"] if gone(unit) else [])]


def gone(unit: dict) -> bool:
    """Whether the unit's check says that its work is no longer there."""
    check = unit.get("check")
    return bool(check) and subprocess.run(check, capture_output=True, check=False).returncode != 0


def stale(unit: dict, fact: dict[str, str]) -> bool:
    """Whether systemd has not read the unit's files as they are now."""
    absent = fact["LoadState"] == "not-found" and not unit.get("optional")
    return absent or fact["NeedDaemonReload"] == "yes"


def settle(units: list[dict], dry: bool) -> list[str]:
    """Do what is needed; returns the commands."""
    names = [unit["name"] for unit in units]
    facts = observe(names)
    actions = []
    if any(stale(unit, facts[unit["name"]]) for unit in units):
        actions.append("daemon-reload")
        if not dry:
            systemctl("daemon-reload")
            facts = observe(names)
    for verb, units_of_verb in batches(units, facts).items():
        actions.append(f"{verb} {' '.join(units_of_verb)}")
        if not dry:
            systemctl(verb, *units_of_verb)
    return actions


def batches(units: list[dict], facts: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """Units by verb, in the order of the verbs: one call for many units, whose own After= orders them.

    Each call costs a small node a tenth of a second or more; enabling has systemd read all its files again.
    """
    now, clock = time.clock_gettime(time.CLOCK_MONOTONIC), time.time()
    wanted: dict[str, list[str]] = {verb: [] for verb in _VERBS}
    for unit in units:
        fact = facts[unit["name"]]
        if unit.get("optional") and fact["LoadState"] != "loaded":
            continue
        for verb in verbs(unit, fact, now, clock):
            wanted[verb].append(unit["name"])
    return {verb: names for verb, names in wanted.items() if names}


def main() -> None:
    """Entry point for Ansible."""
    module = AnsibleModule({"units": {"type": "list", "elements": "dict", "required": True}}, supports_check_mode=True)
    try:
        actions = settle(module.params["units"], module.check_mode)
    except Failed as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=bool(actions), actions=actions)


if __name__ == "__main__":
    main()
