"""Images at several moments: the first beside the one that a slider chooses, and both without a script."""

from __future__ import annotations

from pathlib import Path

import pytest
from accessibility import AXE, everywhere
from browsers import Browser, Chromium
from gallery_page import Page, rows_of, save_images
from PIL import Image

from rankkit.core.images import data_uri
from rankkit.plugin import Curve, Followed, Section, line_chart, series, write_page
from rankkit.report.charts.lines import ticks
from rankkit.report.extras import read_section
from rankkit.report.gallery import gallery

MOMENTS = ("before", "step 40", "step 80")
SHOWN = """[...document.querySelectorAll('.moments > *')].filter((each) => each.offsetParent)
  .map((each) => each.querySelector('.name').textContent)"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    uris = [data_uri(Image.open(name)) for name in save_images(folder, 3)]
    followed = series(MOMENTS, [Followed("<i>a cat</i>", [uris, uris[::-1]], 64), Followed("a dog", [uris])])
    chart = line_chart([Curve("one", [(0, 1), (40, 3), (80, 2)])], x="step", y="reward", width=380)
    sections = [Section("Images", followed), Section("Curve", chart), Section("Words", "<p>all</p>")]
    return write_page(folder / "p.html", "A run", sections, lead="It rose.", tiles=[("80", "steps")])


def opened(browser: Browser, page: Path, width: int = 1280) -> None:
    browser.look(width, 800)
    browser.goto(page.as_uri())


def test_every_moment_of_everything_followed_is_on_the_page_with_words_for_who_sees_none(page: Path) -> None:
    found = Page(page)
    names = [name.text for name in found.all("p", "name")]
    assert names == list(MOMENTS) * 3
    assert found.all("img")[1].attrs["alt"] == "step 40, image 1: <i>a cat</i>"
    assert "It rose." in found.one("p", "lead").text and [a.text for a in found.one("nav").all("a")] == [
        "Images", "Curve", "Words"
    ]  # fmt: skip


def test_the_slider_says_which_moment_stands_beside_the_first(browser: Browser, page: Path) -> None:
    opened(browser, page)
    assert browser.see(SHOWN) == ["before", "step 80"] * 3
    browser.see("document.querySelector('.slide input').focus()")
    browser.press("ArrowLeft")
    assert browser.see(SHOWN) == ["before", "step 40"] * 3
    assert browser.see("document.querySelector('.slide input').getAttribute('aria-valuetext')") == "step 40"


def test_an_enlarged_image_turns_into_the_one_beside_it(browser: Browser, page: Path) -> None:
    opened(browser, page)
    browser.see("document.querySelector('.pic').click()")
    assert browser.see("document.querySelector('.stage .name').textContent") == "before"
    browser.press("ArrowRight")
    assert browser.see("document.querySelector('.stage .name').textContent") == "step 80"
    assert browser.see("document.querySelector('.stage img').className") == "pixels"
    browser.press("Escape")
    assert browser.see("document.querySelector('dialog').open") is False


def test_the_series_is_followed_in_a_gallery_too(browser: Browser, page: Path) -> None:
    names = save_images(page.parent / "in", 2)
    out = page.parent / "gallery.html"
    gallery(rows_of([0.1, 0.9], names=names), out, extras=[read_section(page)])
    opened(browser, out)
    browser.see("document.querySelector('.slide input').value = 1")
    browser.see("document.querySelector('.slide input').dispatchEvent(new Event('input'))")
    assert browser.see(SHOWN) == ["before", "step 40"] * 3 and not browser.errors


@pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")
def test_axe_finds_nothing_serious_on_a_page_with_a_series(chromium: Chromium, page: Path) -> None:
    assert everywhere(chromium, page.as_uri()) == []


def test_a_page_with_a_series_fits_a_telephone(browser: Browser, page: Path) -> None:
    opened(browser, page, 390)
    assert browser.see("document.documentElement.scrollWidth") <= 390


@pytest.mark.parametrize(
    "low, high, found",
    [
        (0.13, 0.88, [0.2, 0.4, 0.6, 0.8]),
        (0, 160, [0, 50, 100, 150]),
        (5, 5, [5]),
        (-1, 1, [-1, -0.5, 0, 0.5, 1]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, found: list[float]) -> None:
    assert ticks(low, high, 5) == found
