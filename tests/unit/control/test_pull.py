"""A fleet in a repository: real Git, on this disk."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from du_infra.control.decision import Decision
from du_infra.control.pull import Pull, Seen, next_step, pull_of
from du_infra.engines.git import Clone
from du_infra.errors import EngineFailed, SpecError
from tests.unit.engines.git_bed import FLEET, GitBed, git


class World(GitBed):
    """With what was told."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.told: list[Decision] = []
        self.pull = self.anew()

    def anew(self, *, dry_run: bool = False) -> Pull:
        return pull_of(self.file, self.told.append, dry_run=dry_run)

    def look(self) -> list[str]:
        """What one look tells."""
        self.told.clear()
        self.pull.once()
        return [f"{one.kind}: {one.text}" for one in self.told]

    def nodes(self) -> str:
        return self.file.read_text().partition("nodes: ")[2][:1]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_commit_elsewhere_is_checked_out_and_told_once(world: World) -> None:
    assert world.look() == []
    commit = world.push(FLEET.format(nodes=2), "two nodes at home")
    assert world.look() == [f"pull: {commit[:7]} (Ada): two nodes at home is checked out"]
    assert world.nodes() == "2"
    assert world.look() == []


def test_a_revert_is_a_commit_like_any_other(world: World) -> None:
    world.push(FLEET.format(nodes=2), "two")
    world.look()
    git(world.writer, "revert", "--no-edit", "HEAD")
    git(world.writer, "push", "-q")
    assert "Revert" in world.look()[0]
    assert world.nodes() == "1"


def test_a_file_with_mistakes_is_never_checked_out_and_the_next_right_one_is(world: World) -> None:
    world.push(FLEET.format(nodes="many"), "oh dear")
    (told,) = world.look()
    assert told.startswith("left: ") and "oh dear is not checked out" in told and "nodes" in told
    assert world.nodes() == "1"
    assert world.look() == []
    world.push(FLEET.format(nodes=3), "mended")
    assert "mended is checked out" in world.look()[0]
    assert world.nodes() == "3"


def test_a_file_that_is_gone_or_no_text_or_a_link_is_not_checked_out(world: World) -> None:
    file = world.writer / "prod" / "fleet.yaml"
    git(world.writer, "rm", "-q", "prod/fleet.yaml")
    git(world.writer, "commit", "-q", "-m", "gone")
    git(world.writer, "push", "-q")
    assert "gone is not checked out: fleet.yaml is gone" in world.look()[0]
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(b"\xff\xfe")
    git(world.writer, "add", "-A")
    git(world.writer, "commit", "-q", "-m", "bytes")
    git(world.writer, "push", "-q")
    assert "bytes is not checked out" in world.look()[0]
    file.unlink()
    file.symlink_to("/etc/passwd")
    git(world.writer, "add", "-A")
    git(world.writer, "commit", "-q", "-m", "link")
    git(world.writer, "push", "-q")
    assert "link is not checked out" in world.look()[0]
    assert world.nodes() == "1"


def test_what_was_changed_here_is_not_lost(world: World) -> None:
    world.file.write_text(FLEET.format(nodes=5))
    world.push(FLEET.format(nodes=2), "two")
    (told,) = world.look()
    assert told.startswith("failed: ") and "would be overwritten" in told
    assert world.nodes() == "5"
    git(world.fleet, "checkout", "-q", "--", ".")
    assert "two is checked out" in world.look()[0]


def test_commits_of_this_clone_stay_and_two_histories_are_told(world: World) -> None:
    world.file.write_text(FLEET.format(nodes=5))
    git(world.fleet, "commit", "-qam", "here")
    assert world.look() == []
    world.push(FLEET.format(nodes=2), "there")
    (told,) = world.look()
    assert told.startswith("left: origin/main and this clone have gone different ways")
    assert world.nodes() == "5"
    git(world.fleet, "reset", "-q", "--hard", "origin/main")
    assert world.look() == [f"well: the clone is at {git(world.fleet, 'rev-parse', '--short', 'HEAD')} (Ada): there"]


def test_a_history_that_was_written_anew_is_told(world: World) -> None:
    world.push(FLEET.format(nodes=2), "two")
    world.look()
    git(world.writer, "reset", "-q", "--hard", "HEAD~1")
    world.commit(FLEET.format(nodes=4), "instead")
    git(world.writer, "push", "-q", "--force")
    assert world.look()[0].startswith("left: ")
    assert world.nodes() == "2"


def test_no_network_is_told_once_and_it_goes_on_when_it_is_back(world: World) -> None:
    world.origin.rename(world.origin.with_name("away"))
    (told,) = world.look()
    assert told.startswith("failed: the fleet's repository: git: could not fetch origin/main: fatal: ")
    assert world.look() == []
    world.origin.with_name("away").rename(world.origin)
    assert world.look()[0].startswith("well: ")
    world.push(FLEET.format(nodes=2), "two")
    assert "two is checked out" in world.look()[0]


def test_gits_own_lock_of_somebody_who_was_killed_is_told_and_left_alone(world: World) -> None:
    lock = world.fleet / ".git" / "index.lock"
    lock.touch()
    world.push(FLEET.format(nodes=2), "two")
    (told,) = world.look()
    assert told.startswith("failed: ") and "index.lock" in told
    lock.unlink()
    assert "two is checked out" in world.look()[0]


def test_a_password_in_the_address_is_in_no_word(world: World) -> None:
    git(world.fleet, "remote", "set-url", "origin", "http://ada:s3cret@127.0.0.1:1/fleet.git")
    (told,) = world.look()
    assert told.startswith("failed: ") and "s3cret" not in told


def test_a_dry_run_only_says_it(world: World) -> None:
    world.pull = world.anew(dry_run=True)
    world.push(FLEET.format(nodes=2), "two")
    assert world.look()[0].endswith("two would be checked out")
    assert world.look() == []
    assert world.nodes() == "1"


def test_where_it_cannot_be_followed_is_said_at_once(world: World, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    with pytest.raises(SpecError, match="in no clone"):
        Clone(plain)
    git(world.fleet, "switch", "-q", "-c", "mine")
    with pytest.raises(SpecError, match="follows none"):
        Clone(world.fleet)
    git(world.fleet, "switch", "-q", "--detach")
    with pytest.raises(SpecError, match="not on a branch"):
        Clone(world.fleet)


def test_a_hook_of_gits_leads_nowhere_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", str(world.writer / ".git"))
    assert Clone(world.fleet).ours()
    with pytest.raises(EngineFailed):
        Clone(world.fleet).forward("0" * 40)


@pytest.fixture
def followed(world: World) -> Iterator[World]:
    world.pull.start(3600, threading.Event())
    yield world
    world.pull.close()


def test_a_poke_has_it_look_at_once(followed: World) -> None:
    time.sleep(0.5)
    followed.push(FLEET.format(nodes=2), "two")
    began = time.monotonic()
    while followed.nodes() != "2":
        followed.pull.poke()
        assert time.monotonic() - began < 20
        time.sleep(0.05)


def test_who_cannot_tell_any_more_does_not_seem_to_follow(world: World) -> None:
    stop = threading.Event()

    def tell(_: Decision) -> None:
        raise BrokenPipeError

    pull = pull_of(world.file, tell)
    world.push(FLEET.format(nodes=2), "two")
    pull.start(3600, stop)
    assert stop.wait(20)
    pull.close()
    assert isinstance(pull.broken, BrokenPipeError)


@given(st.booleans(), st.booleans(), st.booleans())
def test_nothing_is_ever_taken_that_loses_a_commit(same: bool, behind: bool, ahead: bool) -> None:
    seen = Seen("a", "a" if same else "b", behind=behind, ahead=ahead)
    step = next_step(seen, "origin/main")
    assert step.kind != "forward" or (behind and not same)
    assert step.kind == "left" or same or behind or ahead
    assert os.linesep not in step.why
