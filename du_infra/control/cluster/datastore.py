"""A region's external datastore: where its address comes from, and what cannot be asked of it."""

from __future__ import annotations

import re

from du_infra.control.context import RegionContext
from du_infra.errors import Refused, SpecError
from du_infra.release.secrets import read_source

EXTERNAL = "external"

_FORM = re.compile(r"(?:postgres(?:ql)?|mysql|https?)://[!-~]{1,2000}")
_THIS_MACHINE = re.compile(r"(?:[/@(,]|^)(?:localhost|127\.[0-9.]+|\[::1\])(?=[:/),?]|$)")


def is_wanted(context: RegionContext) -> bool:
    """Whether fleet.yaml names an external datastore for the region."""
    return context.spec.k3s.datastore is not None


def endpoint(context: RegionContext) -> str:
    """The datastore's address, with user and password, as K3s wants it; "" where fleet.yaml names none.

    Raises SpecError where it cannot be read or is none, without showing it; Refused when other users may read its file.
    """
    source, where = context.spec.k3s.datastore, f"regions.{context.name}.k3s.datastore"
    if source is None:
        return ""
    found = read_source(where, source, context.folder).strip()
    if words := _wrong(found):
        raise SpecError(
            words, where=where, todo="its form: postgres://USER:PASSWORD@HOST:5432/DATABASE; docs/cluster.md"
        )
    return found


def _wrong(text: str) -> str:
    if not _FORM.fullmatch(text):
        return "the address must begin with postgres://, mysql:// or (an etcd) https://, and have no spaces"
    where, _, options = text.partition("://")[2].partition("?")
    if "@" in options:
        return "in the address a ? comes before an @: in PostgreSQL's a password has %3F for ?, in MySQL's it has no ?"
    if any(map(_THIS_MACHINE.search, where.rpartition("@")[2].split(","))):
        return "the address is each server's own machine: the datastore must be one that all of them reach"
    return ""


def check(context: RegionContext) -> None:
    """See that the address can be read, and that the region's cluster keeps its data where it is now.

    Before anything is made or changed. Raises SpecError and Refused.
    """
    endpoint(context)
    known = context.store.clusters.known(context.name) if context.is_begun else None
    if known and known.datastore and (known.datastore == EXTERNAL) != is_wanted(context):
        there, asked = known.datastore, "an external datastore" if is_wanted(context) else "its servers' own disks"
        raise Refused(
            f"its cluster's data is in {f'an {EXTERNAL} datastore' if there == EXTERNAL else there}, "
            f"and does not move to {asked}",
            where=f"regions.{context.name}.k3s.datastore",
            todo="put it back; or make another region, and take this one down",
        )
