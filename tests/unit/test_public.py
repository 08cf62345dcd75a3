"""What `import du_infra` gives, and how quickly."""

from __future__ import annotations

import subprocess
import sys

import du_infra


def test_the_public_names_are_these() -> None:
    assert du_infra.__all__ == ["Fleet", "Region", "__version__", "errors", "load"]
    assert all(hasattr(du_infra, name) for name in du_infra.__all__)


def test_importing_du_infra_pulls_in_nothing_heavy() -> None:
    heavy = ["pydantic", "sqlalchemy", "ansible_runner", "jinja2", "rich", "click", "ruamel", "boto3", "hcloud", "dns"]
    code = f"import sys, du_infra; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_asking_for_help_pulls_in_nothing_heavy() -> None:
    heavy = ["pydantic", "sqlalchemy", "ansible_runner", "jinja2", "rich", "ruamel", "boto3", "hcloud", "dns"]
    code = (
        "import sys; sys.argv = ['du-infra', '--help']\n"
        "from du_infra.cli.main import main\n"
        "try: main()\n"
        f"except SystemExit: print([m for m in {heavy} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(du_infra, "nonsense")
