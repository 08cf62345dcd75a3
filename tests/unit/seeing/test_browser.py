"""The page in a real browser, as wide as a phone and as a desk, by day and by night."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from du_infra.seeing.board import Board
from du_infra.seeing.traffic import EntrySeen, TrafficSeen
from tests.unit.seeing.bed import board, node, region, release, shown
from tests.unit.seeing.browser import Browser, browser

WIDTHS = (320, 390, 768, 1280)
WORDS = (
    *("demo", "1 of 3 regions is not ready", "regions ready", "demo-fsn-2", "dead", "its machine is stopped"),
    *("machines: demo-fsn-3 is made", "going live", "rolled back", "errors 4.1 % against", "www.example.com"),
    *("down by 2 of 3 for 6 s", "du-infra: dead", "dead for 31 s by the word of", "read-only"),
)
HOSTILE = "<script>window.hacked=1</script>\"><img src=x onerror=window.hacked=1>'`${7*7}{{7*7}}</style>&amp;"
LONG = "x" * 600

# How well text can be read (WCAG 2.2, "contrast ratio"): each text's colour against the nearest opaque background.
_CONTRAST = """
const line = v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const light = c => { const [r, g, b] = c.map(v => line(v / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const parts = text => text.match(/[\\d.]+/g).map(Number);
const behind = e => { for (; e; e = e.parentElement) { const c = parts(getComputedStyle(e).backgroundColor);
  if (c.length < 4 || c[3] === 1) return c.slice(0, 3); } return [255, 255, 255]; };
const found = [];
for (const e of document.querySelectorAll("body *")) {
  if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
  const [a, b] = [light(parts(getComputedStyle(e).color).slice(0, 3)), light(behind(e))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) found.push([e.textContent.trim().slice(0, 40), Math.round(ratio * 100) / 100]);
}
return found;
"""


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


def hostile() -> Board:
    """A fleet in which nobody means well: every word that others choose is markup, or has no place to break."""
    made = Board()
    made.minded("demo", {HOSTILE: 120.0, LONG: 120.0}, mistake=HOSTILE)
    for name in (HOSTILE, LONG):
        bad = node(name, standing="sick", machine=name, why=name, address=name)
        status = region(name, (bad, replace(bad, front=True)), why=(name,))
        services = tuple(replace(one, name=name, release=name, why=name) for one in status.status.services)
        status = replace(status, status=replace(status.status, vip=name, survives=name, services=services))
        made.saw(replace(status, releases=(release(1, "failed", why=name, release=name, actor=name),)))
        made.began(name)
        made.doing(name, name)
        made.told(name, "left", "healing", name, name)
        votes: dict[str, bool | None] = {name: None, "b": True}
        made.traffic(TrafficSeen(time.monotonic(), name, {name: EntrySeen(1, 1.0, True, name, votes)}, (name,)))
    made.ended(LONG, LONG)
    return made


@pytest.mark.parametrize("dark", [False, True], ids=["day", "night"])
@pytest.mark.parametrize("width", WIDTHS)
def test_it_fits_its_words_are_there_and_they_can_be_read(window: Browser, width: int, dark: bool) -> None:
    window.size(width, dark=dark)
    with shown(board()) as address:
        window.open(f"http://{address}/?still")
        assert window.run("return innerWidth") == width
        assert window.run("return document.documentElement.scrollWidth") <= width
        text = window.run("return document.body.innerText")
        assert [word for word in WORDS if word not in text] == []
        assert window.run(_CONTRAST) == []


def test_night_is_dark_and_day_is_not(window: Browser) -> None:
    with shown(board()) as address:
        window.open(f"http://{address}/?still")
        seen = []
        for dark in (False, True):
            window.size(390, dark=dark)
            seen.append(window.run("return getComputedStyle(document.body).backgroundColor"))
    assert seen == ["rgb(245, 246, 248)", "rgb(15, 20, 27)"]


@pytest.mark.parametrize("width", [320, 1280])
def test_what_others_say_is_text_and_never_markup(window: Browser, width: int) -> None:
    window.size(width)
    with shown(hostile()) as address:
        window.open(f"http://{address}/?still")
        assert window.run("return window.hacked") is None
        assert window.run("return [document.scripts.length, document.images.length]") == [0, 0]
        text = window.run("return document.body.innerText")
        assert text.count(HOSTILE) >= 10
        assert window.run("return document.documentElement.scrollWidth") <= width
        links = window.run("return [...document.links].map(a => a.getAttribute('href'))")
        assert all(link.startswith(("/", "http://")) for link in links)


def test_nothing_is_fetched_from_elsewhere(window: Browser) -> None:
    with shown(board()) as address:
        window.open(f"http://{address}/?still")
        found = window.run("return performance.getEntriesByType('resource').map(e => e.name)")
        assert all(name.startswith(f"http://{address}/") for name in found)


def test_a_region_can_be_chosen_and_left_again(window: Browser) -> None:
    window.size(1280)
    with shown(board()) as address:
        window.open(f"http://{address}/?still")
        window.run("document.querySelector('article a[href=\"/?region=nbg\"]').click()")
        assert window.run("return document.querySelectorAll('article').length") == 1
        assert "demo-nbg-1" in window.run("return document.body.innerText")


def test_a_page_of_a_thousand_regions_fits_a_phone(window: Browser) -> None:
    made = Board()
    names = [f"region-{number}" for number in range(1000)]
    made.minded("demo", dict.fromkeys(names, 120.0))
    for name in names:
        made.saw(region(name))
    window.size(390)
    with shown(made) as address:
        window.open(f"http://{address}/?still")
        assert window.run("return document.documentElement.scrollWidth") <= 390
        assert window.run("return document.querySelectorAll('article').length") == 24
        assert window.run("return document.querySelectorAll('.chips a').length") == 976


def test_the_picture_in_the_docs_can_be_made_again(window: Browser, tmp_path: Path) -> None:
    """``DU_PICTURE=FILE`` keeps it."""
    file = Path(os.environ.get("DU_PICTURE") or tmp_path / "page.png")
    window.size(1180, 1130)
    with shown(board()) as address:
        window.open(f"http://{address}/")
        window.shot(file)
    assert file.read_bytes().startswith(b"\x89PNG")
