"""The report in headless chromium: every figure, no error, no request, no sideways scrolling."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from browser import Tab, headless_chromium


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with headless_chromium() as opened:
        yield opened


def test_every_figure_is_shown_without_error_or_request(tab: Tab, abdomen_folder: Path) -> None:
    report = abdomen_folder / "report.html"
    tab.open(report, width=1280)
    widths = tab.run("() => [...document.images].map(i => i.complete ? i.naturalWidth : 0)")
    assert len(widths) == 10
    assert min(widths) > 300
    assert tab.console == []
    assert tab.requests == [report.resolve().as_uri()]


@pytest.mark.parametrize("width", [360, 390, 768, 1280])
def test_only_tables_and_figures_scroll_sideways(
    tab: Tab, abdomen_folder: Path, width: int
) -> None:
    tab.open(abdomen_folder / "report.html", width=width)
    # Folded tables must not widen the page either.
    tab.run("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
    page, window = tab.run(
        "() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert window > width - 20
    assert page <= window
    clipped = tab.run(
        "() => [...document.querySelectorAll('p, li, h1, h2, h3, h4, figcaption, dd, pre')]"
        ".filter(e => !e.closest('.scroll') && e.getBoundingClientRect().right > innerWidth + 1)"
        ".map(e => e.textContent.slice(0, 40))"
    )
    assert clipped == []


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_gets_whole_figures_of_its_own(tab: Tab, abdomen_folder: Path, width: int) -> None:
    tab.open(abdomen_folder / "report.html", width=width)
    figures = tab.run(
        """() => [...document.images].map(i => [
          i.parentElement.querySelector('source').srcset === i.currentSrc,
          i.getBoundingClientRect().right <= innerWidth + 1,
          i.getBoundingClientRect().width / i.naturalWidth * 160 / 96,
        ])"""
    )
    assert len(figures) == 10
    for narrow, whole, scale in figures:
        assert narrow
        assert whole
        # Text of 9 points is at least 10 CSS pixels high.
        assert scale >= 10 / 12


def test_a_screen_and_paper_get_the_wide_figures(tab: Tab, abdomen_folder: Path) -> None:
    tab.open(abdomen_folder / "report.html", width=1280)
    wide = "() => [...document.images].every(i => i.currentSrc === i.src)"
    assert tab.run(wide)


def test_every_table_fits_a_screen(tab: Tab, abdomen_folder: Path) -> None:
    tab.open(abdomen_folder / "report.html", width=1280)
    tab.run("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
    cut = tab.run(
        "() => [...document.querySelectorAll('.scroll')]"
        ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.getAttribute('aria-label'))"
    )
    assert cut == []


def test_text_is_large_and_dark_enough(tab: Tab, abdomen_folder: Path) -> None:
    tab.open(abdomen_folder / "report.html", width=390)
    found = tab.run(
        """() => {
        const linear = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
        const light = rgb => {
          const [r, g, b] = rgb.match(/[\\d.]+/g).slice(0, 3).map(Number).map(linear);
          return 0.2126 * r + 0.7152 * g + 0.0722 * b;
        };
        const behind = e => {
          for (; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (!colour.startsWith('rgba')) return colour;
          }
          return 'rgb(255, 255, 255)';
        };
        return [...document.querySelectorAll('body *')]
          .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
          .map(e => {
            const style = getComputedStyle(e);
            const [a, b] = [light(style.color), light(behind(e))].sort((x, y) => y - x);
            return [parseFloat(style.fontSize), (a + 0.05) / (b + 0.05), e.tagName];
          });
        }"""
    )
    assert found
    # WCAG 2.1, 1.4.3: 4.5 for text of normal size.
    assert [item for item in found if item[0] < 12 or item[1] < 4.5] == []


def test_folded_tables_are_printed(tab: Tab, abdomen_folder: Path) -> None:
    tab.open(abdomen_folder / "report.html", width=1280)
    hidden = (
        "() => [...document.querySelectorAll('table')].filter(t => !t.checkVisibility()).length"
    )
    assert tab.run(hidden) > 0
    tab.page.emulate_media(media="print")
    printed = tab.run(hidden)
    tab.page.emulate_media(media="screen")
    assert printed == 0
