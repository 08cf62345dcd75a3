"""A region's status as people and pipes see it: whole, and in the words of those who said it."""

from __future__ import annotations

import pytest

from du_infra.cli.status_view import show_status
from du_infra.health.state import RegionStatus, ServiceStatus

URL = f"http://hello.example.com/{'path/' * 20}"


def status(*why: str) -> RegionStatus:
    hello = ServiceStatus("hello", URL, "blue", "v1.2.3-abcdef123456", "v1.2.3", f"sha256:{'a' * 64}", ready=not why)
    return RegionStatus(
        name="home",
        provider="lxd",
        runtime="nerdctl",
        gateway="nginx",
        ready=not why,
        vip="198.18.1.1",
        services=(hello,),
        why=why,
    )


def test_nothing_is_cut_off_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_status(status())
    told = capsys.readouterr().out
    assert URL in told
    assert "v1.2.3-abcdef123456" in told


@pytest.mark.parametrize("words", ["nginx: [emerg] bind() failed", "it says [/etc/x]", "[red]"])
def test_the_words_of_a_tool_stay_as_they_are(capsys: pytest.CaptureFixture[str], words: str) -> None:
    show_status(status(f"demo-home-1/hello: {words}"))
    assert f"✗ demo-home-1/hello: {words}" in capsys.readouterr().out
