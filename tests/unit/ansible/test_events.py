"""What a module said, in few words."""

from __future__ import annotations

from du_infra.engines.ansible.events import Watcher, message, plain
from du_infra.progress import Event


def test_a_message_keeps_the_end_of_a_commands_error_output_and_no_json() -> None:
    result = {"msg": "non-zero return code", "stderr": "line\nno space left", "rc": 1, "exception": "Traceback …"}
    assert message(result) == "non-zero return code\nline\nno space left"


def test_a_message_is_never_empty_and_never_long() -> None:
    assert message({}) == "the module failed without a message"
    assert len(message({"msg": "\n".join(map(str, range(100)))}).splitlines()) == 15


def test_ansibles_warnings_become_events_without_colours() -> None:
    seen: list[Event] = []
    Watcher(seen.append)({"event": "warning", "stdout": "\x1b[1;35m[WARNING]: mind\n the gap\x1b[0m"})
    assert [(event.kind, event.text) for event in seen] == [("warning", "[WARNING]: mind the gap")]
    assert plain("\x1b[0;31mred\x1b[0m") == "red"


def test_a_failure_that_a_playbook_ignores_is_no_failure() -> None:
    watcher = Watcher(lambda event: None)
    data = {"host": "n-1", "task": "Try", "res": {"msg": "no"}, "ignore_errors": True}
    watcher({"event": "runner_on_failed", "event_data": data})
    assert watcher.failures == []
