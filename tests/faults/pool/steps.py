"""The steps of growing and of shrinking at which the controller is killed, by the words it says when they begin."""

from __future__ import annotations

from tests.faults.steps import named

GROW = (
    named("machines", r"  machines: "),
    named("creating", r"-\d+: creating"),
    named("created", r"-\d+: created in"),
    named("boot", r"  boot$"),
    named("first boot", r"-\d+: first boot"),
    named("configure", r"  configure$"),
    named("look", r"Look at the node"),
    named("gateway", r"Write the gateway's settings"),
    named("run", r"· .*Run everything with what now stands"),
    named("record", r"~ .*Record what was configured"),
    named("services", r"  services$"),
    named("pull", r"hello: pull "),
    named("ready", r"hello: wait until \w+ is ready"),
    named("route", r"gateway: hello → "),
    named("verify", r"  verify: http"),
)
"""In their order."""

SHRINK = (
    named("leave", r"  leave: "),
    named("relief", r"let the other nodes take the requests"),
    named("drain", r"let the connections end"),
    named("go on without", r"the other nodes go on without"),
    named("look", r"Look at the node"),
    named("run", r"· .*Run everything with what now stands"),
    named("stand idle", r"gateway: no services"),
    named("stop", r"hello: stop \w+"),
    named("destroying", r"-\d+: destroying"),
    named("destroyed", r"-\d+: destroyed in"),
    named("verify", r"  verify: http"),
)
"""In their order."""
