"""Stage "verify": the region is asked from outside, the way its users reach it."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

from du_infra.control.observe import http_get, observe_vip
from du_infra.errors import NotReady
from du_infra.health.plan import service_url
from du_infra.health.state import VipReport
from du_infra.spec import ServiceSpec

STAGE = "verify"

_DEADLINE_SECONDS = 30
_POLL_SECONDS = 0.1
_REQUEST_SECONDS = 5
_SERVER_ERROR = 500


def verify_region(vip: str, configs: Collection[str], services: Mapping[str, ServiceSpec]) -> str:
    """Ask until the VIP is ready with one of ``configs``, and each service answers; returns that one.

    There are several only while a release is held. Raises NotReady.
    """
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not (answer := observe_vip(vip)).ready or answer.config not in configs:
        if time.monotonic() > deadline:
            where, todo = f"http://{vip}/readyz", "see `du-infra region status`"
            raise NotReady(_why(answer, " or ".join(sorted(configs))), where=where, todo=todo)
        time.sleep(_POLL_SECONDS)
    for name, service in services.items():
        _ask(name, service, vip)
    return answer.config


def _why(answer: VipReport, config: str) -> str:
    if not answer.status:
        return f"the VIP {answer.why}"
    if not answer.ready:
        return f"the VIP answers {answer.status}, not ready"
    return f"the VIP answers with configuration {answer.config or '(none)'}, not {config}"


def _ask(name: str, service: ServiceSpec, vip: str) -> None:
    url = service_url(service, vip)
    try:
        status, _ = http_get(vip, service.path, timeout=_REQUEST_SECONDS, host=service.host)
    except OSError as error:
        raise NotReady(f"{name} does not answer: {error}", where=url, todo="see `du-infra region status`") from error
    if status >= _SERVER_ERROR:
        raise NotReady(f"{name} answers {status} through the gateway", where=url, todo="look at its logs")
