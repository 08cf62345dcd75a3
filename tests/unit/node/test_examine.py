"""A node tells of its disks, its certificates and the K3s that waits; certificates are read as openssl reads them."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from du_node import examine
from du_node.certificate import valid_until
from du_node.command import Done
from du_node.k3s import files, join, upgrade
from tests.unit.node.k3s_bed import Machine
from tests.unit.node.k3s_bed import machine as machine
from tests.unit.node.k3s_server import put

DAY = 86400


def certificate(folder: Path, days: int, *more: str) -> str:
    """One that openssl made."""
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl here")
    key, out = folder / "key", folder / "crt"
    made = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    made += ["-keyout", str(key), "-out", str(out), "-days", str(days), "-subj", "/CN=k3s-server-ca@1", *more]
    subprocess.run(made, check=True, capture_output=True)
    return out.read_text()


@pytest.mark.parametrize("days", [1, 365, 3650, 40000])
def test_a_certificate_holds_as_long_as_openssl_says(tmp_path: Path, days: int) -> None:
    """From 2050 on the time has another form."""
    until = valid_until(certificate(tmp_path, days))
    assert until is not None
    assert abs(until - time.time() - days * DAY) < 120


def test_of_several_the_first_counts_and_what_is_none_has_no_time(tmp_path: Path) -> None:
    first, second = certificate(tmp_path, 10), certificate(tmp_path, 5000)
    assert valid_until(first + second) == valid_until(first)
    body = first.splitlines()
    cut = "\n".join([*body[:3], body[-1]])
    for broken in ("", "nonsense", cut, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"):
        assert valid_until(broken) is None


def test_a_server_tells_of_everything(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, waits = tmp_path / "k3s", tmp_path / "k3s-next"
    for path, version in ((program, "v1.34.4+k3s1"), (waits, "v1.35.2+k3s1")):
        path.write_text(version)
    monkeypatch.setattr(upgrade, "PROGRAM", str(program))
    monkeypatch.setattr(upgrade, "NEXT", str(waits))

    def run(argv: Sequence[str], **_: object) -> Done:
        return Done(0, f"k3s version {Path(argv[0]).read_text()} (0)\n", "")

    monkeypatch.setattr(upgrade, "run", run)
    join.join(join.order_of({"role": "server"}), lambda _: None)
    text = certificate(tmp_path, 100)
    for name in ("server/tls/server-ca.crt", "server/tls/etcd/client.crt", "agent/client-kubelet.crt"):
        put(Path(files.DATA, name), text)
    put(Path(files.DATA, "server/tls/broken.crt"), "nonsense")
    told = examine.examine()
    assert told["k3s"] == {"program": "v1.34.4+k3s1", "next": "v1.35.2+k3s1"}
    assert {one["file"]: one["authority"] for one in told["certificates"]} == {
        "agent/client-kubelet.crt": False,
        "server/tls/etcd/client.crt": False,
        "server/tls/server-ca.crt": True,
    }
    assert abs(told["now"] - time.time()) < 5
    assert told["disks"][0]["path"] == "/"
    assert len({disk["path"] for disk in told["disks"]}) == len(told["disks"])
    assert all(0 <= disk["free"] <= disk["size"] for disk in told["disks"])


def test_a_node_without_k3s_tells_of_its_clock_and_disks(machine: Machine) -> None:
    told = examine.examine()
    assert (told["k3s"], told["certificates"]) == ({}, [])
    assert told["disks"]
