"""Debian's Chromium, told what to do over WebDriver (W3C) and, for what that lacks, DevTools commands."""

from __future__ import annotations

import base64
import http.client
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.lacking import without

_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
_SECONDS = 300


class Browser:
    """One window."""

    def __init__(self, port: int, folder: Path) -> None:
        self._port = port
        options = {"args": [*_FLAGS, f"--user-data-dir={folder}"]}
        asked = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        self._session = self._ask("POST", "/session", {"capabilities": asked})["sessionId"]

    def size(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """How large the screen is, and whether its owner likes it dark."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._devtools("Emulation.setDeviceMetricsOverride", metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._devtools("Emulation.setEmulatedMedia", {"features": [scheme]})

    def open(self, address: str) -> None:
        """Show a page."""
        self._ask("POST", f"/session/{self._session}/url", {"url": address})

    def run(self, script: str) -> Any:
        """What a function's body, ``script``, returns on the page."""
        return self._ask("POST", f"/session/{self._session}/execute/sync", {"script": script, "args": []})

    def shot(self, file: Path) -> None:
        """A picture of what the window shows."""
        found = self._devtools("Page.captureScreenshot", {})
        file.write_bytes(base64.b64decode(found["data"]))

    def close(self) -> None:
        self._ask("DELETE", f"/session/{self._session}")

    def _devtools(self, command: str, parameters: dict[str, Any]) -> Any:
        path = f"/session/{self._session}/goog/cdp/execute"
        return self._ask("POST", path, {"cmd": command, "params": parameters})

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_SECONDS)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None)
            found = json.loads(connection.getresponse().read())["value"]
        finally:
            connection.close()
        assert not (isinstance(found, dict) and "error" in found), found
        return found


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A window, as long as it is needed. Where there is no Chromium the test is skipped; in CI that is a failure."""
    missing = [tool for tool in ("chromium", "chromedriver") if not shutil.which(tool)]
    without(f"not installed: {', '.join(missing)}; `du-infra doctor --fix --for browser`" if missing else "")
    driver = subprocess.Popen(
        ["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert driver.stdout is not None
        port = next(int(found[1]) for line in driver.stdout if (found := re.search(r"on port (\d+)\.", line)))
        window = Browser(port, folder)
        try:
            yield window
        finally:
            window.close()
    finally:
        driver.terminate()
        driver.wait(30)
        driver.stdout and driver.stdout.close()
