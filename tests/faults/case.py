"""One case: a release under load, a fault when it is at a step, and what follows."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

from bench.load.runner import Load, Report
from tests.faults.harm import Fault, Victim
from tests.faults.stage import LOAD, Stage, lines_of
from tests.faults.steps import Step

Then = Literal["", "resume", "abort"]


@dataclass(frozen=True)
class Case:
    """``then`` is what somebody says afterwards where the fault ended the controller."""

    fault: Fault
    step: Step
    then: Then = ""

    def __str__(self) -> str:
        return "-".join(filter(None, (self.fault.name.replace(" ", "-"), self.step.name.replace(" ", "-"), self.then)))


@dataclass(frozen=True)
class Ended:
    """How it ended: the load's report, the release that serves, whether that is the new one, the exit code and words
    of the controller (or of what was said afterwards)."""

    report: Report
    row: dict[str, Any]
    forward: bool
    code: int
    words: str
    seconds: float


def play(stage: Stage, case: Case) -> Ended:
    """Do it. Fails where the release never came to the step, or where the stage does not come to rest."""
    tag = stage.next_tag()
    stage.shell.ask("true")
    with Load(stage.vip, LOAD) as load:
        time.sleep(1.0)
        began = time.monotonic()
        code, words = _strike(stage, case, tag)
        if case.fault.outage:
            stage.forget_shell()
        if case.then:
            code, words = _then(stage, case.then)
        row = stage.settle()
        seconds = time.monotonic() - began
        time.sleep(0.5)
    return Ended(load.report, row, row["tag"] == tag, code, words, seconds)


def _strike(stage: Stage, case: Case, tag: str) -> tuple[int, str]:
    process = stage.release(tag)
    said = []
    with lines_of(process) as lines:
        for line in lines:
            said.append(line)
            if case.step.line.search(line.rstrip()):
                case.fault.strike(Victim(stage.node, stage.shell, process))
                break
        else:
            raise AssertionError(f"it never came to the step {case.step}:\n{''.join(said)}")
        said += [] if case.fault.ends_controller else list(lines)
        code = process.wait(180)
    return code, "".join(said)


def _then(stage: Stage, verb: Then) -> tuple[int, str]:
    done = stage.verb(verb)
    return done.returncode, done.stdout + done.stderr


def check(stage: Stage, case: Case, ended: Ended) -> None:
    """What must be true after every case; the stage is at rest already."""
    about = f"{case}: exit code {ended.code}\n{ended.words}\n{ended.report}"
    assert ended.report.requests > 50, about
    if case.fault.outage:
        assert ended.report.gap <= case.fault.outage, about
    else:
        assert ended.report.lost == 0, about
    standing = stage.standing()
    assert standing["at_work"] is None, about
    assert not standing["cut_off"], about
    state = standing["release"]["state"]
    if case.then == "abort":
        assert (ended.code, ended.forward, state) == (0, False, "aborted"), about
    elif ended.forward:
        assert (ended.code, state) == (0, "done"), about
    else:
        assert case.fault.may_go_back, about
        assert state in ("rolled-back", "failed"), about
