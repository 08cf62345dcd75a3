"""An empty LXD profile for our nodes: what a user put into the default profile is not for them."""

from __future__ import annotations

from du_infra.engines.lxd import Lxd
from du_infra.errors import Refused
from du_infra.pool.lxd.site import MARK, Site


def ensure(lxd: Lxd, site: Site) -> None:
    """Have the profile. Raises Refused when a profile of that name is somebody else's."""
    found = lxd.find(f"/1.0/profiles/{site.profile}")
    if found is None:
        wanted = {"name": site.profile, "description": "du-infra: empty on purpose", "config": {MARK: "true"}}
        lxd.query("/1.0/profiles", "POST", wanted)
    elif found["config"].get(MARK) != "true":
        raise Refused(
            f"LXD has a profile called {site.profile} that du-infra did not make",
            where="LXD",
            todo=f"rename it (`lxc profile rename {site.profile} …`), then run the same command again",
        )
