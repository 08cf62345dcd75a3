"""Terraform's JSON plan and state become typed data."""

from __future__ import annotations

from typing import Any

import pytest

from du_infra.engines.terraform.plan import Change, Plan, node_name, read_plan
from du_infra.engines.terraform.state import Tracked, read_state


def _entry(name: str, actions: list[str], **more: Any) -> dict[str, Any]:
    paths = more.pop("replace_paths", [])
    return {
        "address": f'module.pool.lxd_container.node["{name}"]',
        "change": {"actions": actions, "replace_paths": paths},
        **more,
    }


@pytest.mark.parametrize(
    ("actions", "kind"),
    [
        (["create"], "create"),
        (["update"], "update"),
        (["delete"], "delete"),
        (["delete", "create"], "replace"),
        (["create", "delete"], "replace"),
        (["forget"], "forget"),
    ],
)
def test_terraforms_actions_have_one_word_each(actions: list[str], kind: str) -> None:
    plan = read_plan({"resource_changes": [_entry("a-1", actions)]})
    assert plan.changes == (Change('module.pool.lxd_container.node["a-1"]', kind, "a-1"),)  # type: ignore[arg-type]
    assert plan.changes[0].destroys == (kind in ("delete", "replace"))


def test_what_stays_as_it_is_is_no_change() -> None:
    plan = read_plan({"resource_changes": [_entry("a-1", ["no-op"]), _entry("a-2", ["read"])]})
    assert plan == Plan()
    assert plan.empty


def test_a_replacement_names_the_attribute_that_forces_it() -> None:
    entry = _entry(
        "a-1", ["delete", "create"], action_reason="replace_because_cannot_update", replace_paths=[["image"]]
    )
    assert read_plan({"resource_changes": [entry]}).changes[0].why == "image cannot be changed in place"


def test_a_reason_that_is_not_known_yet_is_still_told() -> None:
    entry = _entry("a-1", ["delete"], action_reason="delete_because_of_the_moon")
    assert read_plan({"resource_changes": [entry]}).changes[0].why == "delete because of the moon"


def test_outputs_alone_are_worth_an_apply() -> None:
    plan = read_plan({"output_changes": {"vip": {"actions": ["create"]}}})
    assert not plan.empty
    assert read_plan({"output_changes": {"vip": {"actions": ["no-op"]}}}).empty


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ('module.pool.lxd_container.node["demo-home-1"]', "demo-home-1"),
        ("module.pool.lxd_profile.region", "region"),
        ("aws_instance.node[0]", "node[0]"),
    ],
)
def test_a_nodes_name_is_the_key_of_its_address(address: str, name: str) -> None:
    assert node_name(address) == name


def test_state_lists_nodes_of_every_module_and_who_is_tainted() -> None:
    one = {"address": 'module.pool.x.node["a-1"]', "mode": "managed", "index": "a-1"}
    two = {"address": 'module.pool.x.node["a-2"]', "mode": "managed", "index": "a-2", "tainted": True}
    other = {"address": "module.pool.x.network", "mode": "managed"}
    data = {"address": 'data.x.image["a-3"]', "mode": "data", "index": "a-3"}
    root = {"resources": [data], "child_modules": [{"resources": [one, two, other]}]}
    assert read_state({"values": {"root_module": root}}) == {
        "a-1": Tracked("a-1", 'module.pool.x.node["a-1"]'),
        "a-2": Tracked("a-2", 'module.pool.x.node["a-2"]', tainted=True),
    }


def test_an_empty_state_has_no_nodes() -> None:
    assert read_state({"format_version": "1.0"}) == {}


HOOK = 'module.hooks.terraform_data.node["a-1"]'


def test_a_hook_that_changes_is_worth_an_apply_and_no_change_of_a_machine() -> None:
    entry = {"address": HOOK, "change": {"actions": ["delete"]}}
    assert read_plan({"resource_changes": [entry]}) == Plan(hooks_change=True)
    assert not Plan(hooks_change=True).empty
    assert read_plan({"resource_changes": [{"address": HOOK, "change": {"actions": ["no-op"]}}]}).empty


def test_a_hook_in_the_state_does_not_stand_for_its_machine() -> None:
    machine = {"address": 'module.pool.x.node["a-1"]', "mode": "managed", "index": "a-1"}
    hook = {"address": HOOK, "mode": "managed", "index": "a-1", "tainted": True}
    for resources in ([machine, hook], [hook, machine]):
        shown = {"values": {"root_module": {"child_modules": [{"resources": resources}]}}}
        assert read_state(shown) == {"a-1": Tracked("a-1", 'module.pool.x.node["a-1"]')}
    assert read_state({"values": {"root_module": {"resources": [hook]}}}) == {}
