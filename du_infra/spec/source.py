"""The text of a fleet file, or what stands in the way of reading it."""

from __future__ import annotations

import re
import stat
from pathlib import Path

from du_infra.spec.complaints import Complaint, Stop, text_of_file_name

MAX_BYTES = 1024 * 1024
SMALLEST = """\
fleet: demo
regions:
  home: {provider: lxd}
services:
  hello: {image: registry.local:5000/hello, tag: v1, port: 8080}
"""

# What YAML allows in a file (YAML 1.2, 5.1 c-printable), line ends already being "\n".
_UNPRINTABLE = re.compile("[^\t\n\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def stamp(path: Path) -> object:
    """What is another when the file was touched; None where there is none, or where nobody can look: on a network's
    disk that is away, say, which is no reason for a loop to end."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_text(path: Path) -> str:
    """The file's text without byte order mark, line ends as "\\n". Raises Stop."""
    return text_of(_read_bytes(path))


def text_of(content: bytes) -> str:
    """The same of what stands in a file. Raises Stop."""
    text = _decode(content).replace("\r\n", "\n").replace("\r", "\n")
    odd = _UNPRINTABLE.search(text)
    if odd:
        words = f"a character that no text file holds (U+{ord(odd[0]):04X}): is this YAML?"
        raise Stop(Complaint(words, at=odd.start()), text)
    return text


def _read_bytes(path: Path) -> bytes:
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise Stop(Complaint("this is a folder, not a file", todo=_todo_for_folder(path)))
        if not stat.S_ISREG(mode):
            raise Stop(Complaint("this is not an ordinary file", todo="name a YAML file"))
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise Stop(_missing(path)) from None
    except PermissionError:
        todo = f"look at its owner and mode: ls -l {path}"
        raise Stop(Complaint("you have no permission to read this file", todo=text_of_file_name(todo))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise Stop(Complaint(f"the file cannot be read: {reason}")) from None
    return content


def _decode(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise Stop(Complaint("the file is over 1 MiB; no fleet file is that long", todo="name a fleet file"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
        message = f"this is not text in UTF-8 (byte 0x{content[error.start]:02x})"
        raise Stop(Complaint(message, at=len(before), todo="save the file as UTF-8"), before) from None


def _missing(path: Path) -> Complaint:
    if path.is_symlink():
        target = text_of_file_name(str(path.readlink()))
        return Complaint(f"this is a link to {target}, which does not exist", todo="mend the link")
    here = path.parent
    if not here.is_dir():
        return Complaint(f"there is no folder {text_of_file_name(str(here))}", todo="check the path")
    return Complaint("there is no such file", todo=_nearby(path) or start_one())


def _nearby(path: Path) -> str:
    """A file that the user may have meant."""
    from difflib import get_close_matches

    names = [found.name for found in path.parent.glob("*.y*ml") if found.is_file()]
    near = get_close_matches(path.name, names, n=1, cutoff=0.75)
    if near:
        return f"did you mean --fleet {text_of_file_name(str(path.with_name(near[0])))}?"
    above = [folder / path.name for folder in path.resolve().parents[1:] if (folder / path.name).is_file()]
    return f"there is one in {text_of_file_name(str(above[0].parent))}: go there, or use --fleet" if above else ""


def _todo_for_folder(path: Path) -> str:
    inside = path / "fleet.yaml"
    return f"did you mean {text_of_file_name(str(inside))}?" if inside.is_file() else "name the file inside it"


def start_one() -> str:
    """The smallest fleet file, as a next step."""
    return "start with this:\n" + "".join(f"  {line}\n" for line in SMALLEST.splitlines())
