"""What the loop saw as Prometheus' metrics: made anew for each scrape, so that a region that is gone leaves nothing.

Names and units follow Prometheus' conventions (seconds, ratios from 0 to 1, counters end in _total). Labels are names
of regions and services and words from short lists: never a release, an address, or somebody's words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from du_infra._version import __version__
from du_infra.seeing.board import Snapshot
from du_infra.seeing.state import NODE_STANDINGS, RegionSeen, ReleaseSeen

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "du_infra_"
OPEN_STATES = ("running", "held", "cut-off")


def registry_of(snapshot: Callable[[], Snapshot]) -> CollectorRegistry:
    """A registry of our own: this process, and what ``snapshot`` gives at each scrape."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    registry.register(BoardCollector(snapshot))
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """The text that a scrape gets."""
    return generate_latest(registry)


class BoardCollector(Collector):
    """Turns a snapshot into metrics."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        """Nothing: what there is depends on the fleet, and two of us never share a registry."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family, with or without samples."""
        seen = self._snapshot()
        yield from _loop(seen)
        yield from _passes(seen)
        yield from _regions(seen)
        yield from _healing(seen)
        yield from _releases(seen)
        yield from _autoscale(seen)
        yield from _traffic(seen)
        yield from _hooks(seen)


def _gauge(name: str, words: str, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, words, labels=list(labels))


def _counter(name: str, words: str, labels: Iterable[str]) -> CounterMetricFamily:
    return CounterMetricFamily(PREFIX + name, words, labels=list(labels))


def _loop(seen: Snapshot) -> Iterator[Metric]:
    build = _gauge("build_info", "The du-infra that runs; always 1.", ["version"])
    build.add_metric([__version__], 1)
    yield build
    healthy = _gauge("loop_healthy", "1 while the loop and every region's pass give signs of life.")
    healthy.add_metric([], not seen.stale)
    yield healthy
    valid = _gauge("fleet_file_valid", "1 while fleet.yaml is right; else the loop goes by what it said before.")
    valid.add_metric([], not seen.mistake)
    yield valid
    minded = _gauge("regions_minded", "How many regions the loop minds.")
    minded.add_metric([], len(seen.lives))
    yield minded
    errors = CounterMetricFamily(PREFIX + "seeing_errors", "Things of the loop's that could not be shown.")
    errors.add_metric([], seen.errors)
    yield errors


def _passes(seen: Snapshot) -> Iterator[Metric]:
    passes = _counter("passes", "Passes that have ended, by result.", ["region", "result"])
    took = SummaryMetricFamily(PREFIX + "pass_duration_seconds", "How long passes took.", labels=["region"])
    last = _gauge("pass_last_duration_seconds", "How long the last pass took.", ["region"])
    age = _gauge("pass_age_seconds", "How long ago the last pass ended, by a clock that cannot be set.", ["region"])
    running = _gauge("pass_running_seconds", "For how long a pass has been going on; 0 between two.", ["region"])
    silent = _gauge("region_silent_seconds", "How long ago the region's pass gave its last sign of life.", ["region"])
    for name, life in seen.lives.items():
        for result in ("done", "busy", "failed"):
            passes.add_metric([name, result], getattr(life, result))
        took.add_metric([name], count_value=life.done + life.busy + life.failed, sum_value=life.seconds)
        running.add_metric([name], 0 if life.running is None else seen.now - life.running)
        silent.add_metric([name], life.silent(seen.now))
        if life.ended_at is not None:
            last.add_metric([name], life.last)
            age.add_metric([name], seen.now - life.ended_at)
    decisions = _counter("decisions", "Decisions that were told, by kind.", ["region", "kind"])
    for (region, kind), count in sorted(seen.counts.items()):
        decisions.add_metric([region, kind], count)
    yield from (passes, took, last, age, running, silent, decisions)


def _regions(seen: Snapshot) -> Iterator[Metric]:
    ready = _gauge("region_ready", "1 while nodes, services and address are ready, and were seen of late.", ["region"])
    nodes = _gauge("region_nodes", "Nodes, by how they stand.", ["region", "standing"])
    wanted = _gauge("region_nodes_wanted", "How many nodes are asked for.", ["region"])
    service = _gauge("service_ready", "1 while a service is ready on every node, seen of late.", ["region", "service"])
    age = _gauge("region_seen_age_seconds", "How old everything is that is told of the region.", ["region"])
    for name, region in seen.regions.items():
        ready.add_metric([name], bool(seen.ready(name)))
        wanted.add_metric([name], region.wanted)
        age.add_metric([name], seen.now - region.at)
        for standing in NODE_STANDINGS:
            nodes.add_metric([name, standing], sum(node.standing == standing for node in region.nodes))
        for one in region.status.services:
            service.add_metric([name, one.name], one.ready and not seen.late(name))
    yield from (ready, nodes, wanted, service, age)
    yield from _loads(seen)


def _loads(seen: Snapshot) -> Iterator[Metric]:
    """The mean over the nodes that tell, of their last minute."""
    cpu = _gauge("region_cpu_ratio", "How busy the nodes' CPUs are, 0 to 1.", ["region"])
    memory = _gauge("region_memory_ratio", "How much of the nodes' memory is in use, 0 to 1.", ["region"])
    rate = _gauge("region_node_requests_per_second", "Requests a second that a node answers.", ["region"])
    p95 = _gauge("region_response_p95_seconds", "The time within which 95% of the answers begin.", ["region"])
    for name, region in seen.regions.items():
        found = region.measured
        if found is None:
            continue
        for family, value, unit in (
            (cpu, found.cpu, 100),
            (memory, found.memory, 100),
            (rate, found.rps, 1),
            (p95, found.p95, 1000),
        ):
            if value is not None:
                family.add_metric([name], value / unit)
    yield from (cpu, memory, rate, p95)


def _healing(seen: Snapshot) -> Iterator[Metric]:
    going_on = _gauge("replacements_going_on", "Replacements that were begun and have not ended.", ["region"])
    last_hour = _gauge("replacements_last_hour", "Replacements that were begun within the last hour.", ["region"])
    left = _gauge("replacements_left", "How many more the budget of the hour allows.", ["region"])
    enabled = _gauge("healing_enabled", "1 while the region heals by nobody's order.", ["region"])
    for name, region in seen.regions.items():
        going_on.add_metric([name], region.healing.going_on)
        last_hour.add_metric([name], region.healing.last_hour)
        left.add_metric([name], region.healing.left)
        enabled.add_metric([name], region.healing.enabled)
    yield from (going_on, last_hour, left, enabled)


def _releases(seen: Snapshot) -> Iterator[Metric]:
    going_on = _gauge("release_going_on", "1 for a release that goes on, by state.", ["region", "service", "state"])
    worked = _gauge("release_last_worked", "1 when the last release that ended went live.", ["region", "service"])
    ended = _gauge(
        "release_last_ended_timestamp_seconds", "When that was, in seconds since the epoch.", ["region", "service"]
    )
    leases = _gauge("leases_held", "Leases that somebody holds, for work on a service's releases.", ["region"])
    beat = _gauge("lease_oldest_beat_seconds", "How long ago the holder signed who is silent longest.", ["region"])
    for name, region in seen.regions.items():
        leases.add_metric([name], len(region.leases))
        if region.leases:
            beat.add_metric([name], max(one.signed for one in region.leases))
        for service, (newest, over) in _by_service(region).items():
            for state in OPEN_STATES:
                going_on.add_metric([name, service, state], newest.state == state)
            if over and over.ended is not None:
                worked.add_metric([name, service], over.state == "done")
                ended.add_metric([name, service], over.ended)
    yield from (going_on, worked, ended, leases, beat)


def _by_service(region: RegionSeen) -> dict[str, tuple[ReleaseSeen, ReleaseSeen | None]]:
    """For each service its newest release, and the newest that has ended."""
    found: dict[str, tuple[ReleaseSeen, ReleaseSeen | None]] = {}
    for one in region.releases:  # the newest first
        newest, over = found.get(one.service, (one, None))
        found[one.service] = newest, over or (None if one.going_on else one)
    return found


def _autoscale(seen: Snapshot) -> Iterator[Metric]:
    wanted = _gauge("autoscale_nodes_wanted", "How many nodes the autoscaler wants.", ["region"])
    actual = _gauge("autoscale_nodes", "How many nodes it counted.", ["region"])
    age = _gauge("autoscale_age_seconds", "How long ago it was asked; it is not while something is amiss.", ["region"])
    for name, one in seen.autoscale.items():
        wanted.add_metric([name], one.want)
        actual.add_metric([name], one.nodes)
        age.add_metric([name], seen.now - one.at)
    yield from (wanted, actual, age)


def _traffic(seen: Snapshot) -> Iterator[Metric]:
    weight = _gauge("traffic_weight", "The region's weight behind the fleet's name.", ["region"])
    share = _gauge("traffic_share_ratio", "The share of the answers that have the region, 0 to 1.", ["region"])
    up = _gauge("traffic_region_up", "1 while the region is given out as far as its health goes.", ["region"])
    votes = _gauge("traffic_votes", "What observers say of the region.", ["region", "vote"])
    frozen = _gauge("traffic_frozen", "1 while nothing is changed.")
    if seen.traffic is not None:
        frozen.add_metric([], seen.traffic.frozen)
        for name, one in seen.traffic.entries.items():
            weight.add_metric([name], one.weight)
            share.add_metric([name], one.share)
            up.add_metric([name], one.up)
            said = list(one.votes.values())
            for vote, value in (("well", True), ("dead", False), ("silent", None)):
                votes.add_metric([name, vote], sum(each is value for each in said))
    yield from (weight, share, up, votes, frozen)


def _hooks(seen: Snapshot) -> Iterator[Metric]:
    sent = _counter("notifications", "Notifications for a webhook, by what became of them.", ["hook", "result"])
    waiting = _gauge("notifications_waiting", "Notifications that have not been delivered yet.", ["hook"])
    for name, hook in seen.hooks.items():
        for result in ("delivered", "failed", "dropped"):
            sent.add_metric([name, result], getattr(hook, result))
        waiting.add_metric([name], hook.waiting)
    yield from (sent, waiting)
