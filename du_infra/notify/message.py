"""A note as it goes over the wire: one JSON object with a stable form (docs/seeing.md), and its signature.

The headers are those of the Standard Webhooks specification, so that receivers need no code of ours to check them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass

from du_infra._version import __version__
from du_infra.notify.notes import Note
from du_infra.release.state import moment

VERSION = 1
LONGEST = 4000
_PREFIX = "whsec_"


@dataclass(frozen=True)
class Message:
    """``id`` stays the same however often it is sent, so that a receiver can tell what it had already."""

    id: str
    body: bytes


def message(note: Note, fleet: str, when: float) -> Message:
    """``when`` it happened, in seconds since the epoch. Long words are cut: a log is no notification."""
    mark = f"msg_{secrets.token_hex(12)}"
    said = {
        "version": VERSION,
        "id": mark,
        "time": moment(when),
        "fleet": fleet,
        "kind": note.kind,
        "event": note.event,
        "region": note.region,
        "subject": note.subject,
        "why": note.why[:LONGEST],
        "text": note.text[:LONGEST],
    }
    return Message(mark, json.dumps(said, ensure_ascii=False).encode("utf-8", "replace"))


def headers(told: Message, secret: str, when: int) -> dict[str, str]:
    """With a signature where there is a ``secret``. ``when`` it is sent: a receiver refuses what is old."""
    found = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"du-infra/{__version__}",
        "webhook-id": told.id,
        "webhook-timestamp": str(when),
    }
    return found | ({"webhook-signature": signature(told, secret, when)} if secret else {})


def signature(told: Message, secret: str, when: int) -> str:
    """HMAC-SHA256 over "id.timestamp.body", as "v1,BASE64" (Standard Webhooks, "Signature scheme")."""
    signed = b".".join((told.id.encode(), str(when).encode(), told.body))
    return f"v1,{base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()}"


def key_of(secret: str) -> bytes:
    """The key that ``secret`` stands for: what follows whsec_ is base64, anything else is the key itself."""
    text = secret.strip()
    if text.startswith(_PREFIX):
        try:
            return base64.b64decode(text.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass
    return text.encode()
