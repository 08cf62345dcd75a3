"""The live board: finished stages with their times, the running one with what each node does just now."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from du_infra.cli.printable import printable
from du_infra.progress import Event

_BAR_WIDTH = 24


class LiveBoard:
    """A reporter and a context manager; draws on stderr and leaves the summary standing."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._lock = threading.Lock()
        self._finished: list[Event] = []
        self._stage: Event | None = None
        self._since = 0.0
        self._nodes: dict[str, str] = {}
        self._live = Live(console=self._console, refresh_per_second=8, get_renderable=self._draw)

    def __enter__(self) -> LiveBoard:
        self._live.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stage = None
        self._live.__exit__(kind, value, trace)

    def __call__(self, event: Event) -> None:
        event = replace(event, text=printable(event.text), node=printable(event.node))
        if event.kind == "warning":
            # Outside our lock: printing takes rich's, under which _draw takes ours.
            node = f"{event.node}: " if event.node else ""
            self._console.print(Text(f"! {node}{event.text}", style="yellow"))
            return
        with self._lock:
            if event.kind == "stage":
                self._stage, self._since, self._nodes = event, time.monotonic(), {}
            elif event.kind in ("done", "failed"):
                self._finished.append(event)
                self._stage, self._nodes = None, {}
            else:
                self._nodes[event.node] = event.text

    def _draw(self) -> RenderableType:
        with self._lock:
            rows = [self._row(event) for event in self._finished]
            if self._stage:
                rows.append(self._running(self._stage))
                rows += [
                    Text(f"    {node:<20} {text}", style="dim", no_wrap=True, overflow="ellipsis")
                    for node, text in self._nodes.items()
                ]
            elif self._finished:
                total = sum(event.seconds for event in self._finished)
                rows.append(Text(f"  {'total':<12} {total:6.1f} s", style="bold"))
        return Group(*rows)

    def _row(self, event: Event) -> Text:
        longest = max(e.seconds for e in self._finished) or 1.0
        bar = "█" * round(_BAR_WIDTH * event.seconds / longest)
        mark, colour = ("✓", "green") if event.kind == "done" else ("✗", "red")
        return Text.assemble((f"{mark} ", colour), f"{event.stage:<12} {event.seconds:6.1f} s  ", (bar, "cyan"))

    def _running(self, stage: Event) -> Text:
        seconds = time.monotonic() - self._since
        return Text.assemble(("… ", "yellow"), f"{stage.stage:<12} {seconds:6.1f} s  ", (stage.text, "dim"))
