"""More than ten nodes need a kernel limit raised; one that is high enough is left as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from du_infra.pool.lxd import kernel
from du_infra.progress import Event


@pytest.mark.parametrize(("before", "after"), [("128\n", "1024\n"), ("4096\n", "4096\n"), ("1024\n", "1024\n")])
def test_the_limit_is_raised_and_never_lowered(before: str, after: str, tmp_path: Path) -> None:
    limit, told = tmp_path / "limit", list[Event]()
    limit.write_text(before)
    kernel.ensure(told.append, limit)
    assert limit.read_text() == after
    assert [event.kind for event in told] == (["step"] if before != after else [])


def test_where_it_may_not_be_raised_a_warning_says_what_to_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit, told = tmp_path / "limit", list[Event]()
    limit.write_text("128\n")

    def refuse(*given: object, **more: object) -> int:
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "write_text", refuse)
    kernel.ensure(told.append, limit)
    assert [event.kind for event in told] == ["step", "warning"]
    assert "max_user_instances" in told[-1].text
