"""Until when a certificate holds: as much of its encoding as that takes (RFC 5280, section 4.1).

Certificate and TBSCertificate are sequences; in the second come version (tagged 0), serial number, algorithm, issuer,
and then validity, a sequence of two times.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE, _VERSION, _UTC = 0x30, 0xA0, 0x17
_FORMS = {_UTC: "%y%m%d%H%M%SZ", 0x18: "%Y%m%d%H%M%SZ"}


def valid_until(pem: str) -> float | None:
    """Unix seconds; None for what is no certificate. Of several in one text the first."""
    found = _PEM.search(pem)
    try:
        return _until(base64.b64decode(found[1])) if found else None
    except (ValueError, IndexError, KeyError, binascii.Error):
        return None


def _until(der: bytes) -> float:
    _, body, _ = _element(der, 0)
    _, fields, _ = _element(body, 0)
    kind, _, at = _element(fields, 0)
    for _ in range(3 if kind == _VERSION else 2):
        _, _, at = _element(fields, at)
    kind, validity, _ = _element(fields, at)
    if kind != _SEQUENCE:
        raise ValueError("no validity")
    _, _, at = _element(validity, 0)
    kind, text, _ = _element(validity, at)
    return datetime.strptime(text.decode("ascii"), _FORMS[kind]).replace(tzinfo=UTC).timestamp()


def _element(data: bytes, at: int) -> tuple[int, bytes, int]:
    """An element's tag, its content, and where the next one begins."""
    tag, length, at = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(data[at : at + size], "big"), at + size
    if at + length > len(data):
        raise ValueError("cut off")
    return tag, data[at : at + length], at + length
