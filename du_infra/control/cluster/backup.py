"""Makes a backup of a region's cluster on this machine, and reads it back."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass

from du_infra.cluster.state import Observed
from du_infra.control.cluster import vault
from du_infra.control.cluster.nodes import STAGE
from du_infra.control.cluster.observe import look
from du_infra.control.cluster.readback import read_back
from du_infra.control.cluster.servers import has_cluster, need_cluster
from du_infra.control.cluster.vault import Kept
from du_infra.control.context import RegionContext
from du_infra.control.release.words import failure_of, last_error, line_of
from du_infra.engines import ssh
from du_infra.engines.download import checksum
from du_infra.errors import DuError, EngineFailed, NotReady, Refused
from du_infra.pool.state import Node
from du_infra.progress import Event, Reporter, stage

DUE_SECONDS = 24 * 3600.0
"""How old the newest backup that was read back gets before the loop that minds the region makes another."""

_SECONDS = 600.0


@dataclass(frozen=True)
class BackupResult:
    """What ``region backup`` made: where it is on this machine, and what went to keep room for it."""

    region: str
    file: str
    backup: Kept
    removed: tuple[str, ...]


def region_backup(context: RegionContext, report: Reporter) -> BackupResult:
    """Copy what the region's cluster keeps, read the copy back, and remove copies that are too many.

    Raises Refused where there is no cluster, or its data is somebody else's to back up; NotReady when its API does not
    answer; EngineFailed when the copy is not good.
    """
    need_cluster(context, "there is no cluster to back up")
    record = context.must_be_up()
    context.provider.connect()
    with stage(report, STAGE, "backup"):
        seen = look(context, record, report)
        if not seen.api:
            todo = f"see `du-infra region status {context.name}`"
            raise NotReady("the cluster's API does not answer", where=f"region {context.name}", todo=todo)
        if seen.observed.datastore == "external":
            todo = "back it up where it is; K3s's token is beside it in .du (docs/cluster.md)"
            raise Refused("the data is in an external datastore", where=f"region {context.name}", todo=todo)
        made = _made(context, record.named(seen.api), seen.observed, report)
        return BackupResult(context.name, str(vault.archive_of(context, made.name)), made, tidy(context))


def _made(context: RegionContext, server: Node, observed: Observed, report: Reporter) -> Kept:
    """One that was read back. What cannot be takes room, too: after it is tidied as well."""
    try:
        return verify(context, take(context, server, observed, report), report)
    except DuError:
        with suppress(OSError):  # there is a reason already
            tidy(context)
        raise


def take(context: RegionContext, server: Node, observed: Observed, report: Reporter) -> Kept:
    """Copy what ``server`` keeps of the cluster, which was ``observed``, in sqlite or etcd.

    Killed anywhere, nothing counts that is not whole. Raises Unreachable, and what du-node says.
    """
    vault.folder_of(context).mkdir(mode=0o700, parents=True, exist_ok=True)
    made = time.time()
    name = f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(made))}-{server.name}"
    archive = vault.archive_of(context, name)
    coming = archive.with_suffix(".coming")
    report(Event("step", STAGE, "its part of the cluster is copied", node=server.name))
    try:
        done = ssh.run(context.target(server), ["du-node", "k3s", "backup"], into=coming, timeout=_SECONDS)
        if done.rc != 0:
            lines = [line_of(text) for text in coming.read_text(errors="replace").splitlines()[-1:]]
            raise failure_of(server.name, last_error(lines), done, "the backup could not be made")
        version = found.version if (found := observed.find(server.name)) else ""
        kind, size = observed.datastore, coming.stat().st_size
        kept = Kept(name, server.name, version, kind, made, checksum(coming), size)
        coming.replace(archive)
        vault.note(context, kept)
    except OSError as error:
        todo = "see `df` on this machine"
        raise EngineFailed(f"the backup cannot be kept: {error}", where=str(archive), todo=todo) from error
    finally:
        coming.unlink(missing_ok=True)
    context.store.event(context.name, "backup", f"{name}, {kept.size} bytes")
    return kept


def verify(context: RegionContext, one: Kept, report: Reporter) -> Kept:
    """Read it back, and write down that it was. Raises EngineFailed with what is wrong."""
    archive = vault.archive_of(context, one.name)
    report(Event("step", STAGE, f"{one.name} is read back", node=one.node))
    if checksum(archive) != one.sha256:
        raise EngineFailed("the backup has changed since it was made", where=archive.name, todo="make another")
    read_back(archive)
    return vault.verified(context, one)


def tidy(context: RegionContext) -> tuple[str, ...]:
    """Remove what is too much; their names."""
    return tuple(vault.prune(context, time.time()))


def due(context: RegionContext) -> bool:
    """Whether the region's cluster has no backup of the last day that was read back.

    One of the future, by a clock that was ahead, says nothing about the last day.
    """
    known = context.store.clusters.known(context.name) if has_cluster(context) else None
    if known is None or known.datastore == "external":
        return False
    now = time.time()
    return not any(one.verified and 0 <= now - one.made <= DUE_SECONDS for one in vault.kept(context))
