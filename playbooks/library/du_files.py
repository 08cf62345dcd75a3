#!/usr/bin/python
"""Ansible module: bring many small files into their wanted state in one round trip."""

from __future__ import annotations

import base64
import hashlib
import os
import shlex
import stat
import subprocess
import tempfile
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: du_files
short_description: Write a set of files, each atomically
description:
  - Writes those files that differ in content, mode or owner, all owned by root, in the order given.
  - A file is checked before it takes its place, so a wrong one never replaces a good one.
options:
  files:
    description: >-
      The files: path, and content (text), content_base64 (binary) or link (a symlink's target); mode
      (default "0644"); validate (a command in which %s is the new file); keep (true writes the file only if
      there is none, and leaves it out of the result). With folder (true) it is a folder of that mode (default "0755").
    type: list
    elements: dict
    required: true
  prune:
    description: Patterns; files that match one and are not in the list are removed.
    type: list
    elements: str
    default: []
  spare:
    description: Paths that prune leaves too.
    type: list
    elements: str
    default: []
author: du-infra
"""

EXAMPLES = r"""
- name: Limit the journal
  du_files:
    files:
      - path: /etc/systemd/journald.conf.d/du-infra.conf
        content: "[Journal]\nSystemMaxUse=64M\n"
"""

RETURN = r"""
files:
  description: SHA-256 of every file in the list that is managed (links, folders and kept files are not).
  returned: success
  type: dict
paths:
  description: What was written or removed.
  returned: success
  type: list
"""


class Rejected(Exception):
    """The check of a new file said no."""


def wanted_bytes(file: dict) -> bytes:
    """The content a file should have."""
    if file.get("content_base64") is not None:
        return base64.b64decode(file["content_base64"])
    return file["content"].encode()


def differs(path: Path, content: bytes, mode: int) -> bool:
    """Whether the file on disk is not exactly what is wanted."""
    try:
        status = path.lstat()
    except FileNotFoundError:
        return True
    if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) != mode:
        return True
    if (status.st_uid, status.st_gid) != (0, 0) and os.geteuid() == 0:
        return True
    return path.read_bytes() != content


def write(path: Path, content: bytes, mode: int, validate: str | None) -> None:
    """Write to a temporary file beside ``path``, check it, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".du-", suffix=path.suffix, dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        if validate:
            check(path, [word.replace("%s", name) for word in shlex.split(validate)])
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check(path: Path, command: list[str]) -> None:
    """Raise Rejected with the checker's own words if it refuses the file."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise Rejected(f"{path} was refused by {command[0]}: {done.stdout.decode('utf-8', 'replace').strip()}")


def link(path: Path, target: str, dry: bool) -> bool:
    """Make ``path`` a symlink to ``target``; whether it was not."""
    if path.is_symlink() and str(path.readlink()) == target:
        return False
    if not dry:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".du-{path.name}")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(target)
        temporary.replace(path)
    return True


def folder(path: Path, mode: int, dry: bool) -> bool:
    """Make a folder with this mode, its parents as the system has them; whether it was not so."""
    if path.is_dir() and stat.S_IMODE(path.stat().st_mode) == mode:
        return False
    if not dry:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
    return True


def settle(file: dict, dry: bool) -> tuple[bool, str | None]:
    """Bring one file into its state: (changed, SHA-256 or None when it is not managed)."""
    path = Path(file["path"])
    if file.get("link"):
        return link(path, file["link"], dry), None
    if file.get("folder"):
        return folder(path, int(str(file.get("mode", "0755")), 8), dry), None
    if file.get("keep") and path.exists():
        return False, None
    content, mode = wanted_bytes(file), int(str(file.get("mode", "0644")), 8)
    changed = differs(path, content, mode)
    if changed and not dry:
        write(path, content, mode, file.get("validate"))
    return changed, None if file.get("keep") else hashlib.sha256(content).hexdigest()


def matching(pattern: str) -> list[str]:
    """The paths that match an absolute pattern."""
    return sorted(str(path) for path in Path("/").glob(pattern.lstrip("/")))


def prune(patterns: list[str], keep: set[str], dry: bool) -> list[str]:
    """Remove what matches and is not wanted; returns the paths."""
    stale = [path for pattern in patterns for path in matching(pattern) if path not in keep]
    for path in stale:
        if not dry:
            Path(path).unlink()
    return stale


def main() -> None:
    """Entry point for Ansible."""
    module = AnsibleModule(
        {
            "files": {"type": "list", "elements": "dict", "required": True},
            "prune": {"type": "list", "elements": "str", "default": []},
            "spare": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    files, dry = module.params["files"], module.check_mode
    hashes, paths = {}, []
    try:
        for file in files:
            changed, digest = settle(file, dry)
            paths += [file["path"]] if changed else []
            hashes.update({file["path"]: digest} if digest else {})
        paths += prune(module.params["prune"], {file["path"] for file in files} | set(module.params["spare"]), dry)
    except (OSError, Rejected) as error:
        module.fail_json(msg=str(error), paths=paths)
    module.exit_json(changed=bool(paths), files=hashes, paths=paths)


if __name__ == "__main__":
    main()
