"""Terraform's JSON lines become progress events and error texts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from du_infra.engines.terraform.messages import event_of, parse, problems
from du_infra.progress import Event


def _hook(kind: str, action: str = "create", seconds: int = 3) -> dict[str, Any]:
    resource = {"addr": 'module.pool.lxd_container.node["a-1"]'}
    return {"type": kind, "hook": {"resource": resource, "action": action, "elapsed_seconds": seconds}}


def _diagnostic(severity: str, summary: str, **more: str) -> dict[str, Any]:
    return {"type": "diagnostic", "diagnostic": {"severity": severity, "summary": summary, **more}}


@pytest.mark.parametrize(
    ("message", "kind", "text"),
    [
        (_hook("apply_start"), "step", "creating"),
        (_hook("apply_progress", seconds=10), "step", "creating, 10 s"),
        (_hook("apply_complete"), "changed", "created in 3 s"),
        (_hook("apply_complete", "delete"), "changed", "destroyed in 3 s"),
        (_hook("apply_errored", "update"), "step", "changing failed after 3 s"),
    ],
)
def test_each_phase_of_a_node_is_told_with_its_name(message: dict[str, Any], kind: Any, text: str) -> None:
    assert event_of(message, "machines") == Event(kind, "machines", text, "a-1")


def test_hooks_are_not_told_of_where_they_do_nothing() -> None:
    message = _hook("apply_complete")
    message["hook"]["resource"]["addr"] = 'module.hooks.terraform_data.node["a-1"]'
    assert event_of(message, "machines") is None


@pytest.mark.parametrize("kind", ["version", "planned_change", "refresh_start", "change_summary", "outputs"])
def test_terraforms_small_talk_is_not_passed_on(kind: str) -> None:
    assert event_of({"type": kind}, "machines") is None


def test_warnings_are_passed_on_but_not_the_providers_own_noise() -> None:
    event = event_of(_diagnostic("warning", "Value is deprecated", detail="Use another."), "machines")
    assert event == Event("warning", "machines", "Value is deprecated\nUse another.")
    noise = _diagnostic("warning", "provider set empty string as default value for bool accept_remote_certificate")
    assert event_of(noise, "machines") is None


def test_errors_keep_terraforms_words_once_each() -> None:
    error = _diagnostic("error", "Instance not found", detail="Look again.", address="lxd_container.node")
    text = problems([error, error, _diagnostic("warning", "never mind"), _diagnostic("error", "Halted")])
    assert text == "Instance not found (lxd_container.node)\nLook again.\nHalted"


@pytest.mark.parametrize("line", ["panic: runtime error\n", '"a string"\n', "[1]\n", ""])
def test_a_line_that_is_no_message_is_kept_as_a_log_line(line: str) -> None:
    assert parse(line) == {"type": "log", "@message": line.rstrip()}


def test_a_message_is_read() -> None:
    assert parse(json.dumps({"type": "version"}))["type"] == "version"
