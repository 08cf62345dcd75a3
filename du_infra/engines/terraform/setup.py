"""``terraform init``, and knowing when it is not needed."""

from __future__ import annotations

import fcntl
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from du_infra import paths
from du_infra.engines.private import write_private_if_new
from du_infra.engines.terraform import mirror
from du_infra.engines.terraform.binary import Binary
from du_infra.engines.terraform.runner import CLI_CONFIG, STAGE, Runner
from du_infra.errors import EngineFailed
from du_infra.progress import Event, Reporter

# Terraform's and OpenTofu's words for a provider that could not be had
_NOT_FETCHED = ("Failed to install provider", "Failed to query available provider packages")
_STAMP = ".terraform/du-infra-stamp"


def init(run: Runner, report: Reporter) -> None:
    """Run ``init`` unless the folder was set up from the same modules by the same Terraform.

    Provider versions are exact in the root module, so the dependency lock file has nothing to decide; it is
    made afresh each time, or a provider from the mirror would be refused for not being the registry's
    archive.
    """
    folder = run.folder
    if is_ready(folder, run.binary):
        return
    report(Event("step", STAGE, "fetching Terraform's providers"))
    (folder / _STAMP).unlink(missing_ok=True)
    (folder / ".terraform.lock.hcl").unlink(missing_ok=True)
    with _alone():
        write_private_if_new(folder / CLI_CONFIG, _cli_config(folder, run.binary))
        try:
            run.plain("init", input=False)
        except EngineFailed as failure:
            _from_package(run, failure)
    write_private_if_new(folder / _STAMP, stamp(folder, run.binary))


def _cli_config(folder: Path, binary: Binary) -> str:
    """Only the LXD provider may need a mirror; a region elsewhere should not wait for one."""
    lxd = mirror.SOURCE in (folder / "main.tf").read_text(encoding="utf-8")
    return mirror.cli_config(binary.flavor) if lxd else mirror.registry_config()


def _from_package(run: Runner, failure: EngineFailed) -> None:
    """Try again with the package: a registry may answer where the host it sends us to for the file does not."""
    missing = any(words in failure.detail for words in _NOT_FETCHED)
    if not missing or mirror.mirror_folder().is_dir() or mirror.SOURCE not in failure.detail:
        raise failure
    mirror.make_mirror(mirror.mirror_folder())
    write_private_if_new(run.folder / CLI_CONFIG, _cli_config(run.folder, run.binary))
    run.plain("init", input=False)


def is_ready(folder: Path, binary: Binary) -> bool:
    """Whether ``init`` would change nothing: same inputs, and the providers it linked to are still there."""
    seal = folder / _STAMP
    if not seal.is_file() or seal.read_text(encoding="utf-8") != stamp(folder, binary):
        return False
    return all(plugin.exists() for plugin in folder.glob(".terraform/providers/*/*/*/*/*"))


def stamp(folder: Path, binary: Binary) -> str:
    """A hash of all that ``init`` depends on: the configuration, the CLI configuration, and the Terraform."""
    digest = hashlib.sha256(f"{binary.path} {binary.version}".encode())
    for file in [folder / CLI_CONFIG, folder / "main.tf", *sorted(folder.glob("modules/**/*.tf"))]:
        digest.update(f"\n{file.relative_to(folder)}\n".encode())
        digest.update(file.read_bytes() if file.is_file() else b"")
    return digest.hexdigest()


@contextmanager
def _alone() -> Iterator[None]:
    """One ``init`` at a time: Terraform's plugin cache is not made for more."""
    with (paths.cache() / "terraform-init.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
