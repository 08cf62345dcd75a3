"""What Ansible is told of K3s, and when a folder that is not whole is noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from du_infra.control import configure, configure_k3s
from du_infra.control.context import RegionContext
from du_infra.errors import Refused, SpecError
from du_infra.pool.plan import PoolRecord
from du_infra.pool.state import Node
from du_infra.spec.load import check_text

RECORD = PoolRecord(vip="198.18.1.1", nodes=(Node("demo-home-1", "1c1g", "198.18.1.2"),))


def context(folder: Path, region: str) -> RegionContext:
    fleet, complaints = check_text(f"fleet: demo\nregions:\n  home: {{provider: lxd, {region}}}\n")
    assert fleet is not None, complaints
    return RegionContext(fleet, "home", folder)


def release(folder: Path, content: bytes = b"program") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "k3s").write_bytes(content)
    (folder / "sha256sum-amd64.txt").write_text(f"{hashlib.sha256(content).hexdigest()}  k3s\n")
    return folder


def test_another_runtime_is_told_nothing(tmp_path: Path) -> None:
    told = context(tmp_path, "runtime: docker")
    assert configure_k3s.variables(told) == {}
    configure_k3s.check(told)
    configure_k3s.verify(told)


def test_the_roles_are_told_the_version_the_folder_and_the_way_of_pods(tmp_path: Path) -> None:
    release(tmp_path / "files")
    told = configure_k3s.variables(context(tmp_path, "runtime: k3s, k3s: {version: v1.33.9+k3s2, from: files}"))
    assert told["du_k3s"]["version"] == "v1.33.9+k3s2"
    assert told["du_k3s"]["folder"] == str(tmp_path / "files")
    assert told["du_k3s"]["flannel"] == "host-gw"
    assert list(told["du_k3s"]["sums"]) == ["sha256sum-amd64.txt"]


def test_without_a_folder_nothing_is_looked_for(tmp_path: Path) -> None:
    told = context(tmp_path, "runtime: k3s")
    assert configure_k3s.variables(told)["du_k3s"]["folder"] == ""
    configure_k3s.check(told)
    configure_k3s.verify(told)


def test_a_folder_that_is_not_there_is_noticed_before_anything_is_made_and_hides_no_status(tmp_path: Path) -> None:
    told = context(tmp_path, "runtime: k3s, k3s: {from: files}")
    assert configure_k3s.variables(told)["du_k3s"]["sums"] == {}
    with pytest.raises(SpecError, match="no such folder") as caught:
        configure_k3s.check(told)
    assert caught.value.where == str(tmp_path / "files")


def test_a_wrong_file_is_noticed_before_a_node_is_touched(tmp_path: Path) -> None:
    told = context(tmp_path, "runtime: k3s, k3s: {from: files}")
    (release(tmp_path / "files") / "k3s").write_bytes(b"half")
    configure_k3s.check(told)
    with pytest.raises(Refused, match="is not the file"):
        configure_k3s.verify(told)


def test_the_configuration_changes_with_the_files_and_not_with_where_they_are(tmp_path: Path) -> None:
    def hashed(region: str) -> str:
        return configure.hash_of(configure.configurations(context(tmp_path, region), RECORD)["demo-home-1"])

    release(tmp_path / "one")
    release(tmp_path / "two")
    release(tmp_path / "other", b"another build")
    at = "runtime: k3s, k3s: {{from: {}}}"
    assert hashed(at.format("one")) == hashed(at.format("two"))
    assert (
        len({hashed(at.format("one")), hashed(at.format("other")), hashed("runtime: k3s"), hashed("runtime: docker")})
        == 4
    )
    assert hashed("runtime: k3s") != hashed("runtime: k3s, k3s: {version: v1.34.3+k3s1}")
    # Which of the nodes are servers is the cluster's matter, and not Ansible's.
    assert hashed("runtime: k3s") == hashed("runtime: k3s, k3s: {servers: 3}")
