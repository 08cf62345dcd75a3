"""What the local cloud kept on this machine goes with it, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from du_infra.engines.lxd import Lxd
from du_infra.engines.ssh import Target, control_path
from du_infra.errors import EngineFailed, Refused
from du_infra.local import registry
from du_infra.pool.lxd import LxdProvider, daemon, teardown
from du_infra.pool.lxd.site import HERE
from du_infra.progress import silent


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DU_INFRA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DU_INFRA_RUN", str(tmp_path / "run"))
    monkeypatch.setattr(registry, "need", str)
    for process in (daemon.lxcfs_daemon(), registry._daemon(HERE)):
        process.pid_file.write_text("0\n")
        process.log.write_text("words\n")
    (registry._folder() / "data").mkdir(parents=True)
    control_path(Target("demo-home-1", "198.18.1.2", tmp_path / "id", tmp_path / "known"))
    with LxdProvider().giving_out(silent), registry._alone(silent):
        pass


def test_nothing_of_ours_is_left(tmp_path: Path) -> None:
    teardown.forget_files()
    assert list(tmp_path.iterdir()) == []


def test_what_else_is_in_a_folder_that_a_user_named_stays(tmp_path: Path) -> None:
    (tmp_path / "data" / "photos").mkdir()
    (tmp_path / "run" / "other.pid").write_text("1\n")
    teardown.forget_files()
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*"))
    assert left == ["data", "data/photos", "run", "run/other.pid"]


_POOL = f"/1.0/storage-pools/{HERE.pool}"


class Daemon(Lxd):
    """An LXD that is known by its answers: in its pool live ``instances`` and what it forgot of an image."""

    def __init__(self, instances: dict[str, str], orphans: int = 0) -> None:
        super().__init__("lxc", "lxd", Path("/nowhere"))
        self.__dict__.update(
            instances=instances, orphans=[f"{_POOL}/volumes/image/{n}" for n in range(orphans)], gone=[]
        )

    def query(self, path: str, method: str = "GET", data: object = None, *, timeout: float = 120) -> Any:
        known = self.__dict__
        if method == "DELETE":
            if path == _POOL and (known["orphans"] or known["instances"]):
                raise EngineFailed("LXD", detail="Error: The storage pool is currently in use")
            known["gone"].append(path)
            known["orphans"] = [volume for volume in known["orphans"] if volume != path]
            return None
        answers: dict[str, Any] = {
            "/1.0/instances?recursion=1": [
                {"name": name, "config": {"user.du-infra.owner": owner}} for name, owner in known["instances"].items()
            ],
            "/1.0/instances": ["somebody else's"],
            "/1.0/images?recursion=1": [],
            f"{_POOL}/volumes": known["orphans"] or None,
        }
        users = [f"/1.0/instances/{name}?project=p" for name in known["instances"]]
        return answers.get(path, {"config": {"user.du-infra": "true"}, "used_by": users or None})  # as LXD has it

    def delete(self, instance: str) -> None:
        del self.__dict__["instances"][instance]


def test_a_strangers_instance_in_our_pool_is_named_before_anything_is_deleted() -> None:
    lxd = Daemon({"ours": "me", "web": "", "db": ""})
    with pytest.raises(Refused, match="did not make: db, web"):
        teardown.remove(lxd, HERE, silent)
    assert (sorted(lxd.__dict__["instances"]), lxd.__dict__["gone"]) == (["db", "ours", "web"], [])


def test_what_a_killed_daemon_forgot_of_an_image_does_not_keep_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teardown, "_POLL", 0.0)
    lxd = Daemon({"ours": "me"}, orphans=2)
    teardown.remove(lxd, HERE, silent)
    assert lxd.__dict__["instances"] == {}
    assert [path for path in lxd.__dict__["gone"] if path.startswith(_POOL)] == [
        *(f"{_POOL}/volumes/image/{n}" for n in range(2)),
        _POOL,
    ]


def test_a_pool_that_stays_in_use_says_so_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teardown, "_LET_GO_SECONDS", -1.0)
    with pytest.raises(EngineFailed):
        teardown.remove(Daemon({}, orphans=1), HERE, silent)
