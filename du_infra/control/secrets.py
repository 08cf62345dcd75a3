"""Secrets on their way to a node: through SSH's standard input, into files that ``du-node secrets`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from du_infra.engines import ssh
from du_infra.errors import Busy, DuError, EngineFailed, SpecError
from du_infra.release.secrets import Secrets, order_of

_SECONDS = 60
_BUSY = 7


def send_secrets(target: ssh.Target, wanted: Mapping[str, Any], secrets: Secrets) -> None:
    """Have the node keep every value that ``wanted`` names; call it before ``du-node apply`` and ``before``.

    Nothing is sent where no service has secrets. A value that the source no longer has is not sent: the node must have
    it from an earlier release. Raises SpecError when it has not, Unreachable, EngineFailed when the node cannot write.
    """
    order = order_of(wanted, secrets)
    if not order:
        return
    done = ssh.run(target, ["du-node", "secrets"], stdin=json.dumps(order), timeout=_SECONDS)
    if done.rc != 0:
        raise _failure(target, done)


def _failure(target: ssh.Target, done: ssh.Result) -> DuError:
    told: Mapping[str, Any] = {}
    for line in done.stdout.splitlines():
        try:
            message = json.loads(line)
        except ValueError:
            continue
        told = message if message.get("kind") == "error" else told
    kind = SpecError if told.get("error") == "secret" else Busy if done.rc == _BUSY else EngineFailed
    service = str(told.get("service") or "")
    return kind(
        str(told.get("text") or "du-node could not keep the secrets"),
        where=f"{target.name}/{service}" if service else target.name,
        todo=str(told.get("todo") or "mend it and run the same command again"),
        detail=str(told.get("detail") or done.stderr),
    )
