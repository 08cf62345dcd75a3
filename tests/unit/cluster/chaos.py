"""Bad luck for a World: machines die, services crash, the controller is killed, and somebody changes his mind."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from du_infra.cluster.action import Turn
from du_infra.cluster.plan import next_turn
from du_infra.cluster.state import Member, Wish
from tests.unit.cluster.world import Luck, World

VERSIONS = ("v1.33.1+k3s1", "v1.34.2+k3s1", "v1.35.0+k3s1", "v1.36.1+k3s2")


class Chaos:
    """A region with a pool that replaces what dies, a controller, and a person who wants this today, that tomorrow."""

    def __init__(self, seed: int, *, external: bool = False, loses_servers: bool = True) -> None:
        self.dice = random.Random(seed)
        self.counter = self.witnesses = 0
        self.loses_servers = loses_servers
        self.version = self.dice.randrange(2)
        wish = Wish((), VERSIONS[self.version], self.dice.choice((1, 3)), external=external, releases=VERSIONS)
        self.world = World(wish)
        for _ in range(self.dice.randint(1, 4)):
            self.a_node_more()

    # Everybody else

    def a_node_more(self) -> None:
        self.counter += 1
        name, world = f"a-{self.counter}", self.world
        world.members[name] = Member(name)
        world.wish = replace(world.wish, nodes=(*world.wish.nodes, name))

    def a_node_less(self) -> None:
        nodes = list(self.world.wish.nodes)
        if len(nodes) > 1:
            nodes.remove(self.dice.choice(nodes))
            self.world.wish = replace(self.world.wish, nodes=tuple(nodes))

    def the_pool_replaces_the_dead(self) -> None:
        for name in self.world.wish.nodes:
            member = self.world.members.get(name)
            if member is None or member.dead or member.machine == "gone":
                nodes = tuple(n for n in self.world.wish.nodes if n != name)
                self.world.wish = replace(self.world.wish, nodes=nodes)
                self.a_node_more()

        witness = self.world.members.get(self.world.wish.witness)
        for name, member in self.world.members.items():
            if member.shared and member.dead and member.machine == "running":
                self.world.members[name] = replace(member, machine="stopped")
        if self.world.wish.witness and (witness is None or witness.dead or witness.machine == "gone"):
            self.world.wish = replace(self.world.wish, witness=self.a_witness())

    def a_mind_changes(self) -> None:
        wish = self.world.wish
        match self.dice.randrange(5):
            case 0 if self.version + 1 < len(VERSIONS):
                self.version = self.dice.randrange(self.version + 1, len(VERSIONS))
                self.world.wish = replace(wish, version=VERSIONS[self.version])
            case 1:
                self.world.wish = replace(wish, witness="" if wish.witness else self.a_witness())
            case 2:
                self.a_node_more()
            case 3:
                self.a_node_less()
            case _:
                self.world.wish = replace(wish, servers=self.dice.choice((1, 3)))

    def a_witness(self) -> str:
        self.witnesses += 1
        name = f"w-{self.witnesses}"
        self.world.members[name] = Member(name, shared=True)
        return name

    # Bad luck

    def harm(self) -> None:
        hit = [m for m in self.world.members.values() if m.machine != "gone" and not m.dead]
        if not hit:
            return
        member = self.dice.choice(hit)
        keeper = member.role in ("server", "witness")
        harms: list[Callable[[Member], Member]] = [self.crash, self.fail, self.cut, self.power_off]
        if self.loses_servers or not keeper:
            harms += [self.die, self.die]
        self.world.members[member.name] = self.dice.choice(harms)(member)
        self.world.log.append(f"harm: {self.world.members[member.name]}")

    def crash(self, member: Member) -> Member:
        return replace(member, service="starting") if member.service == "running" else member

    def fail(self, member: Member) -> Member:
        return replace(member, service="failed") if member.service in ("running", "starting") else member

    def cut(self, member: Member) -> Member:
        return replace(member, answers=False)

    def power_off(self, member: Member) -> Member:
        return replace(member, machine="stopped")

    def die(self, member: Member) -> Member:
        machine = self.dice.choice(("running", "stopped", "gone"))
        return replace(member, dead=True, answers=False, machine=machine)  # type: ignore[arg-type]

    def recovery(self) -> None:
        for name, member in self.world.members.items():
            if member.dead or member.machine == "gone":
                continue
            booted = member.machine != "running"
            back = "starting" if booted and member.service in ("running", "failed") else member.service
            self.world.members[name] = replace(member, machine="running", answers=True, service=back)  # type: ignore[arg-type]

    # The controller

    def turn(self, lucky: bool) -> Turn:
        turn = next_turn(self.world.wish, self.world.observe())
        for action in turn.step:
            luck: Luck = "done" if lucky else self.dice.choice(("done", "done", "done", "half", "nothing"))
            self.world.act(action, luck)
            if luck != "done":
                break
        return turn

    def suffer(self, steps: int) -> None:
        for _ in range(steps):
            if self.dice.random() < 0.2:
                self.harm()
            if self.dice.random() < 0.3:
                self.recovery()
            if self.dice.random() < 0.3:
                self.the_pool_replaces_the_dead()
            if self.dice.random() < 0.1:
                self.a_mind_changes()
            if self.dice.random() < 0.2 and self.world.api() and self.world.datastore != "external":
                self.world.save()
            self.turn(lucky=False)
            if self.dice.random() < 0.8:
                self.world.tick()

    def calm(self, steps: int = 400) -> Turn:
        """Nothing goes wrong any more, a person agrees to what has to be agreed to; until there is nothing to do."""
        self.world.log.append("calm")
        self.world.wish = replace(self.world.wish, may_restore=True)
        quiet = 0
        for _ in range(steps):
            self.recovery()
            self.the_pool_replaces_the_dead()
            if self.world.migration == "undone":
                self.world.migration = ""
            turn = self.turn(lucky=True)
            before = dict(self.world.members)
            self.world.tick()
            quiet = 0 if turn.step or before != self.world.members else quiet + 1
            if quiet == 2:
                return turn
        raise AssertionError("it never ends\n" + "\n".join(self.world.log[-60:]))
