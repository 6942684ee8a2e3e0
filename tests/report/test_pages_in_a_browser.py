"""Every page that the report stack writes, in a real browser: people with a screen reader or weak eyes can
use it, and its title stands where its sections do.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from accessibility import AXE, everywhere, serious
from browsers import Browser, Chromium, WebKit
from gallery_page import rows_of, save_images
from PIL import Image

from rankkit.core.images import data_uri
from rankkit.report.charts import Curve, line_chart
from rankkit.report.document import write_page
from rankkit.report.extras import Section, image, table
from rankkit.report.gallery import gallery
from rankkit.report.sheet import Shown, write_sheet

with_axe = pytest.mark.skipif(AXE is None, reason="axe-core-python is not installed")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Addresses of a gallery with everything in it, a sheet of chosen images, and a page of sections."""
    folder = tmp_path_factory.mktemp("pages")
    names = save_images(folder / "in", 6)
    nan = float("nan")
    rows = rows_of([0.1, 0.9, 0.4, 0.2, 0.5, nan], names=names, details=[{}] * 5 + [{"error": "too dark"}])
    rows += rows_of([5.0, 4.0, 3.0, 2.0, 1.0, 0.0], names=names, ranker="judge", kind="pairwise")
    curve = line_chart([Curve("one", [(1, 0.5), (2, 0.7), (3, 0.6)])], x="step", y="reward")
    numbers = Section("Numbers", curve + table(["ranker", "gain"], [["a", "0.5"], ["b", "0.25"]]))
    shown = Section("Image", image(data_uri(Image.open(names[0])), "before and after"))
    gallery(rows, folder / "gallery.html", title="A gallery", extras=[numbers])
    write_page(folder / "page.html", "A page", [numbers, shown])
    write_sheet(folder / "sheet.html", "A sheet", {"a cat": [Shown(each, "", "1 of 6") for each in names]})
    return {name: (folder / f"{name}.html").as_uri() for name in ("gallery", "page", "sheet")}


@with_axe
def test_axe_finds_nothing_serious_on_a_gallery(browser: Browser, pages: dict[str, str]):
    assert everywhere(browser, pages["gallery"]) == []


@with_axe
@pytest.mark.parametrize("name", ["page", "sheet"])
def test_axe_finds_nothing_serious_on_a_page_of_ours(chromium: Chromium, pages: dict[str, str], name: str):
    assert everywhere(chromium, pages[name]) == []


@with_axe
def test_axe_would_find_an_image_without_words_and_pale_text(browser: Browser, tmp_path: Path):
    # a file: in WebKit a data: address takes over the policy of the page before, which forbids styles
    (tmp_path / "pale.html").write_text("<!doctype html><img src='x'><p style='color:#ddd'>pale</p>")
    browser.goto((tmp_path / "pale.html").as_uri())
    found = {each.partition(":")[0] for each in serious(browser)}
    assert {"image-alt", "color-contrast"} <= found


@pytest.mark.parametrize("width", [390, 1280, 1800])
def test_the_title_of_a_page_stands_where_its_sections_do(
    browser: Browser, pages: dict[str, str], width: int
):
    for url in pages.values():
        browser.look(width, 800)
        browser.goto(url)
        left = "[...document.querySelectorAll('h1, h2')].map((each) => each.getBoundingClientRect().left)"
        places = browser.see(left)
        assert browser.errors == []
        assert len(set(places)) == 1 and places[0] > 10
        assert browser.see("document.documentElement.scrollWidth") <= width


def test_webkit_complains_of_nothing_while_it_loads_a_page(webkit: WebKit, pages: dict[str, str]):
    assert [webkit.complaints_while_loading(url) for url in pages.values()] == [[], [], []]
