"""A node of the usual kind on which the straightforward script runs instead of du-node."""

from __future__ import annotations

import subprocess
from pathlib import Path

_HERE = Path(__file__).parent
_FOLDER = "/etc/nginx/naive"
_PORTS = {"blue": 8001, "green": 8002}


def install(node: str) -> None:
    """Put the script and its nginx.conf on ``node`` (an LXD instance that runs no service); du-node is switched off."""
    run(node, f"systemctl disable -q --now du-node; mkdir -p {_FOLDER}; rm -f /etc/nginx/conf.d/du.conf")
    for slot, port in _PORTS.items():
        put(node, f"{_FOLDER}/{slot}.conf", f"upstream app {{\n    server 127.0.0.1:{port};\n}}\n")
    put(node, "/usr/local/bin/release.sh", (_HERE / "release.sh").read_text(encoding="utf-8"))
    put(node, "/etc/nginx/nginx.conf", (_HERE / "nginx.conf").read_text(encoding="utf-8"))
    run(node, f"chmod 755 /usr/local/bin/release.sh; ln -sf blue.conf {_FOLDER}/live.conf; systemctl restart nginx")


def release(node: str, image: str, wait: float = 5) -> None:
    """Run the script once; ``wait`` is its sleep between the reload and the end of the old container."""
    run(node, f"WAIT={wait:g} release.sh {image}")


def run(node: str, script: str, stdin: str = "") -> str:
    """A shell script on the node. Raises RuntimeError with its last words."""
    argv = ["lxc", "exec", node, "-T", "--", "sh", "-ec", script]
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False, timeout=180)
    if done.returncode:
        raise RuntimeError(f"{node}: {script}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def put(node: str, path: str, text: str) -> None:
    """Write a file on the node."""
    run(node, f"cat >{path}", text)
