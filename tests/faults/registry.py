"""A registry of our own, on the host's bridge address: slow, wrong, stalled, or gone in the middle of a pull.

It serves one OCI image layout, read-only, by the distribution specification: manifests and blobs by digest or tag.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = "registry.test:5001"
"""What nodes call it."""
_PIECE = 64 << 10
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@dataclass
class Mood:
    """How it behaves; may change at any moment. ``rate`` is bytes a second, 0 for as fast as it goes."""

    rate: float = 0.0
    stalled: bool = False
    corrupt: bool = False
    missing: bool = False
    sent: int = 0
    """Bytes of blobs so far."""
    over: threading.Event = field(default_factory=threading.Event)


class Registry(ThreadingHTTPServer):
    """Serves ``layout`` at ``address``."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, address: str, layout: Path) -> None:
        super().__init__((address, 0), _Handler)
        self.layout = layout
        self.mood = Mood()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """For a node's hosts.toml."""
        return f"http://{self.server_address[0]!s}:{self.server_address[1]}"

    def digest(self, tag: str) -> str:
        """The manifest's digest that a tag means."""
        index = json.loads((self.layout / "index.json").read_text())
        return next(
            str(m["digest"]) for m in index["manifests"] if m["annotations"]["org.opencontainers.image.ref.name"] == tag
        )

    def stop(self) -> None:
        """Be gone, connections included."""
        self.mood.over.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is none of our business."""


class _Handler(BaseHTTPRequestHandler):
    server: Registry
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._serve(body=False)

    def do_GET(self) -> None:
        self._serve(body=True)

    def _serve(self, body: bool) -> None:
        parts = self.path.split("?")[0].strip("/").split("/")
        if parts == ["v2"]:
            return self._answer(200, b"{}", "application/json", body)
        kind, reference = parts[-2], parts[-1]
        digest = reference if ":" in reference else self.server.digest(reference)
        path = self.server.layout / "blobs" / digest.replace(":", "/")
        if self.server.mood.missing or not path.exists():
            error = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}
            return self._answer(404, json.dumps(error).encode(), "application/json", body)
        content = path.read_bytes()
        return self._answer(
            200, content, _MANIFEST if kind == "manifests" else "application/octet-stream", body, digest
        )

    def _answer(self, status: int, content: bytes, kind: str, body: bool, digest: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if body:
            self._send(content if kind.endswith("json") else self._spoilt(content))

    def _spoilt(self, content: bytes) -> bytes:
        return content[:-1] + bytes([content[-1] ^ 1]) if self.server.mood.corrupt else content

    def _send(self, content: bytes) -> None:
        mood = self.server.mood
        for start in range(0, len(content), _PIECE):
            while mood.stalled and not mood.over.is_set():
                time.sleep(0.05)
            if mood.over.is_set():
                self.close_connection = True
                self.connection.close()
                return
            piece = content[start : start + _PIECE]
            self.wfile.write(piece)
            mood.sent += len(piece)
            if mood.rate:
                time.sleep(len(piece) / mood.rate)

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@contextmanager
def big_image(source: str, megabytes: int) -> Iterator[Path]:
    """An OCI layout with the image ``source`` as the tag "small" and, with a layer of random bytes on top, as "big"."""
    with tempfile.TemporaryDirectory(prefix="du-faults-") as folder:
        layout, blob = Path(folder) / "layout", Path(folder) / "ballast"
        copy = ["skopeo", "copy", "--quiet", "--src-tls-verify=false", f"docker://{source}", f"oci:{layout}:small"]
        subprocess.run(copy, check=True, capture_output=True, timeout=60)
        blob.write_bytes(os.urandom(megabytes << 20))
        subprocess.run(
            ["umoci", "insert", "--image", f"{layout}:small", "--tag", "big", str(blob), "/ballast"],
            check=True,
            capture_output=True,
            timeout=120,
        )
        blob.unlink()
        yield layout
