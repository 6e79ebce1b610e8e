"""The page in headless chromium: no error, no request, readable on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from made_sets import make_pair, write_pair, write_set

from browser import Tab, headless_chromium
from fedgin.check.page import write_page
from fedgin.check.report import make_report
from fedgin.check.site_check import check_site
from fedgin.check.voice import PlainVoice
from fedgin.settings import make_settings


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with headless_chromium() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page with cases, pictures and findings whose texts are long."""
    folder = tmp_path_factory.mktemp("site")
    long_name = "a-patient-whose-name-is-far-longer-than-a-telephone-is-wide_" * 2
    site = write_set(folder, ("p01", "p02", long_name))
    write_pair(folder / "data", "copy", make_pair(seed=1))
    write_pair(folder / "data", "cut", make_pair(seed=8))
    image = folder / "data/im/cut.nii.gz"
    image.write_bytes(image.read_bytes()[:-300])
    checked = check_site(site, make_settings(task="abdomen"), workers=1, draws=True)
    file = folder / "check.html"
    write_page(make_report(checked, PlainVoice()), checked.thumbnails, file)
    return file


def test_the_page_shows_pictures_without_error_or_request(tab: Tab, page: Path) -> None:
    tab.open(page, width=1280)
    widths = tab.run("() => [...document.images].map(i => i.complete ? i.naturalWidth : 0)")
    assert widths == [480] * 4  # one for each case that could be read
    assert tab.console == []
    assert tab.requests == [page.resolve().as_uri()]
    assert tab.run("() => document.querySelectorAll('.findings > li').length") == 2
    # What needs a look comes first, with the rule that it breaks.
    cards = tab.run("() => [...document.querySelectorAll('.cards > li')].map(e => e.innerText)")
    order = ["copy", "cut", "p02"]
    assert [card.splitlines()[0] for card in cards[:3]] == order
    rules = ["one patient, two ids", "unreadable", "one patient, two ids"]
    assert [card.splitlines()[-1].strip() for card in cards[:3]] == rules
    assert all("Nothing found." in card for card in cards[3:])


@pytest.mark.parametrize("width", [360, 768])
def test_nothing_but_tables_scrolls_sideways(tab: Tab, page: Path, width: int) -> None:
    tab.open(page, width=width)
    wide, window = tab.run(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= window
    small = tab.run(
        "() => [...document.querySelectorAll('main p, main li, main h3')]"
        ".filter(e => parseFloat(getComputedStyle(e).fontSize) < 14).length"
    )
    assert small == 0
    images = tab.run("() => [...document.images].map(i => i.getBoundingClientRect().right)")
    assert max(images) <= width
