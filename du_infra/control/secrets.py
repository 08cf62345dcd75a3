"""Secrets on their way to a node: through SSH's standard input, into files that ``du-node secrets`` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from du_infra.control.release.words import failure_of, last_error, line_of
from du_infra.engines import ssh
from du_infra.release.secrets import Secrets, order_of

_SECONDS = 60


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
        last = last_error(map(line_of, done.stdout.splitlines()))
        raise failure_of(target.name, last, done, "du-node could not keep the secrets")
