"""The webhook of the fleet's repository: somebody has pushed, so look now. What it says besides is not believed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable

from du_infra.seeing.http import Answer, Request, Response, plain
from du_infra.seeing.site import authorized

PATH = "/hooks/git"
LONGEST = 1 << 18
"""Bytes of a body: a push of some hundred commits."""


class Hook:
    """Answers POSTs to ``PATH`` by calling ``poke``; all else is passed on.

    Who asks must know the token: by HTTP's own header, by GitLab's, or by the signature that GitHub, Gitea and Forgejo
    make with it.
    """

    def __init__(self, poke: Callable[[], None], token: str, others: Answer) -> None:
        self._poke, self._token, self._others = poke, token, others

    def __call__(self, request: Request) -> Response:
        """The answer; never waits for the repository."""
        if request.path != PATH or request.method != "POST":
            return self._others(request)
        if not self._token:
            return plain(403, "a webhook needs `control run --token-file`")
        if not self._knows(request):
            return plain(401)
        self._poke()
        return plain(202, "the repository is looked at now")

    def _knows(self, request: Request) -> bool:
        headers, token = request.headers, self._token.encode()
        signed = f"sha256={hmac.new(token, request.body, hashlib.sha256).hexdigest()}"
        return (
            authorized(headers.get("authorization", ""), self._token)
            or hmac.compare_digest(headers.get("x-gitlab-token", "").encode(), token)
            or hmac.compare_digest(headers.get("x-hub-signature-256", "").encode(), signed.encode())
        )
