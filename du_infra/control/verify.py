"""Stage "verify": the region is asked from outside, the way its users reach it."""

from __future__ import annotations

import time
from collections.abc import Mapping

from du_infra.control.observe import http_get, observe_vip
from du_infra.errors import NotReady
from du_infra.health.plan import service_url
from du_infra.spec import ServiceSpec

STAGE = "verify"

_DEADLINE_SECONDS = 30
_POLL_SECONDS = 0.1
_REQUEST_SECONDS = 5
_SERVER_ERROR = 500


def verify_region(vip: str, config: str, services: Mapping[str, ServiceSpec]) -> None:
    """Ask until the VIP is ready with configuration ``config`` and each service answers; raises NotReady."""
    deadline = time.monotonic() + _DEADLINE_SECONDS
    while not _serves(vip, config):
        if time.monotonic() > deadline:
            raise NotReady(_why(vip, config), where=f"http://{vip}/readyz", todo="see `du-infra region status`")
        time.sleep(_POLL_SECONDS)
    for name, service in services.items():
        _ask(name, service, vip)


def _serves(vip: str, config: str) -> bool:
    answer = observe_vip(vip)
    return answer.ready and answer.config == config


def _why(vip: str, config: str) -> str:
    answer = observe_vip(vip)
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
