"""What the quorum promises holds for whatever anybody says, and whenever."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from du_infra.health.quorum import Patience, Vote, judge, majority
from du_infra.health.state import Standing

SETTINGS = settings(max_examples=200, deadline=None)
FEWER = settings(max_examples=30, deadline=None)
NAMES = [f"o{number}" for number in range(1, 7)]
NOW = 1000.0
P = Patience(interval=2, down_after=4, hold=30)

observers = st.lists(st.sampled_from(NAMES), unique=True, max_size=6)
moments = st.floats(NOW - 12, NOW + 6)
votes = st.dictionaries(st.sampled_from(NAMES), st.builds(Vote, moments, st.booleans()))
standings = st.builds(
    Standing,
    state=st.sampled_from(["up", "down"]),
    since=st.floats(0, NOW),
    leaning=st.none() | st.floats(NOW - 700, NOW),
    known=st.booleans(),
    falls=st.lists(st.floats(0, NOW), max_size=4).map(tuple),
)


def fresh(vote: Vote) -> bool:
    return NOW - 6 <= vote.at <= NOW + 2


@SETTINGS
@given(standings, votes, observers)
def test_a_change_has_a_majority_of_all_observers_and_has_waited(
    before: Standing, said: dict[str, Vote], who: list[str]
) -> None:
    after = judge(before, said, who, P, NOW)
    if after.state == before.state:
        return
    agree = [name for name in who if name in said and fresh(said[name]) and said[name].well == after.up]
    assert len(agree) >= majority(len(who))
    assert after.up or len(agree) >= 2
    assert before.leaning is not None
    assert NOW - before.leaning >= (P.hold if after.up else P.down_after)


def _worse(vote: Vote, how: int) -> Vote | None:
    """Dead for well, silence for well, or dead for silence; the same else."""
    if how == 0:
        return Vote(NOW, False)
    return None if how == 1 and vote.well else vote


@SETTINGS
@given(standings, votes, observers, st.sampled_from(NAMES), st.integers(0, 1))
def test_worse_votes_never_leave_a_region_better(
    before: Standing, said: dict[str, Vote], who: list[str], name: str, how: int
) -> None:
    bad = dict(said)
    vote = _worse(said.get(name, Vote(NOW - 100, True)), how)
    bad.pop(name, None)
    if vote:
        bad[name] = vote
    better, worse = judge(before, said, who, P, NOW), judge(before, bad, who, P, NOW)
    assert better.up or not worse.up
    assert better.surely_up or not worse.surely_up


@FEWER
@given(st.lists(st.lists(st.sampled_from("uds"), min_size=3, max_size=3), min_size=200, max_size=200))
def test_however_observers_disagree_a_region_never_flaps(said: list[list[str]]) -> None:
    """Up again only after hold, which grows; so what changed stays for a while, whatever is said."""
    standing, changed = Standing("up", 0.0), []
    who = NAMES[:3]
    for step, words in enumerate(said):
        now = 2.0 * step
        told = {n: Vote(now if word != "s" else now - 60, word == "u") for n, word in zip(who, words, strict=True)}
        after = judge(standing, told, who, P, now)
        if after.state != standing.state:
            changed.append((now, after.state))
        standing = after
    backs = [at for at, state in changed if state == "up"]
    downs = [at for at, state in changed if state == "down"]
    assert all(any(back - down >= P.hold for down in downs) for back in backs)
    assert len(downs) <= 1 + len(backs)
    assert len(backs) <= 400 / P.hold


@FEWER
@given(standings, st.booleans(), observers.filter(lambda who: len(who) >= 2))
def test_whoever_was_said_what_for_long_enough_ends_there(before: Standing, well: bool, who: list[str]) -> None:
    standing = before
    for step in range(700 // 2):
        now = NOW + 2.0 * step
        standing = judge(standing, {name: Vote(now, well) for name in who}, who, P, now)
    assert standing.up == well
    assert standing.known
