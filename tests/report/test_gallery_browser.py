"""The gallery in a real browser: it fits a telephone, answers keys, shows its images, and runs nothing but
its own script.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browsers import Browser, Chromium, WebKit
from PIL import Image, ImageDraw

from rankkit.core.types import Group, Identity, Ranking
from rankkit.io.rows import Row, rows
from rankkit.report.extras import Section
from rankkit.report.gallery import gallery

ATTACK = (
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>\"' autofocus "
    "onfocus='window.pwned = 1' </script></style>"
)
PROMPTS = ["a red circle", f"{ATTACK}" + "W" * 2000, "", "a blue square\u202e \U0001f408 " + "long " * 2000]

LAYOUT = """(() => {
  const root = document.documentElement, images = [...document.images];
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  return {
    width: innerWidth,
    room: root.clientWidth,
    scroll: Math.max(root.scrollWidth, document.body.scrollWidth),
    images: images.length,
    loaded: images.filter((image) => image.complete && image.naturalWidth > 1).length,
    pwned: window.pwned ?? null,
    upgraded: document.querySelectorAll(".pic[role=button]").length,
    font: getComputedStyle(document.querySelector("h1")).letterSpacing,
    paper: getComputedStyle(document.body).backgroundColor,
  };
})()"""
HERE = "document.activeElement.id"
BOX = "document.getElementById('lightbox')"
BOXES = f"[...{BOX}.querySelectorAll('.stage > div, .close')].map((each) => each.getBoundingClientRect())"
ORDER = "[...document.querySelectorAll('#p1 figure')].map((figure) => figure.dataset.name)"
GROUPS = "[...document.querySelectorAll('.group')].filter((group) => !group.hidden).map((group) => group.id)"

# A frame that may run no script holds the page; the page around it says what can be seen in there.
FRAMED = """<!doctype html><body style="margin:0">
<iframe sandbox="allow-same-origin" src="page.html" style="border:0;width:360px;height:1000px"></iframe>"""
STILL = """(() => {
  const page = document.querySelector("iframe").contentDocument;
  const shown = (image) => image.naturalWidth > 1;
  return {
    figures: page.querySelectorAll("figure").length,
    images: [...page.querySelectorAll("figure img")].filter(shown).length,
    buttons: page.querySelectorAll("[role=button]").length,
    offered: [...page.querySelectorAll("button, input")].filter((control) => control.offsetParent).length,
    scroll: page.documentElement.scrollWidth,
    text: page.querySelector("main").innerText.slice(0, 20000),
  };
})()"""


def drawn(folder: Path, at: int) -> str:
    """The name of a new image with something on it."""
    image = Image.new("RGB", (300, 200 + 40 * at), (40 * at % 256, 120, 200 - 30 * at))
    ImageDraw.Draw(image).ellipse((40, 40, 200, 160), fill=(240, 220, 60))
    image.save(folder / f"{at}.png")
    return str(folder / f"{at}.png")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with page.html: hostile prompts, hostile extras, long names, a lost image, abstentions."""
    folder = tmp_path_factory.mktemp("gallery")
    found: list[Row] = []
    names = [*(drawn(folder, i) for i in range(4)), str(folder / ("lost" * 40 + "<b>.png"))]
    images = (Image.new("RGB", (8, 8)),) * 5
    for i, prompt in enumerate(PROMPTS):
        group = Group(prompt, images, id=f"g{i}" * (1 + 50 * i), names=tuple(names))
        pointwise = Ranking(
            (0.1, 0.3, 0.2, float("nan"), 0.0),
            "pointwise",
            details=({}, {}, {}, {"error": ATTACK * 9}, {"note": ATTACK}),
        )
        found += rows(group, pointwise, Identity("w" * 90, "v" * 300, {"o" * 80: "x" * 500}))
        found += rows(
            group,
            Ranking((5.0, 4.0, 3.0, 2.0, 1.0 + i), "pairwise"),
            Identity("judge", "1", {"reply": ATTACK}),
        )
    evil = Section(
        "evil",
        "<script>window.pwned = 2</script><img src='x' onerror='window.pwned = 3'><svg viewBox='0 0 900 9' "
        "width='900'></svg>",
    )
    gallery(
        found, folder / "page.html", title=f"Title {ATTACK}", parameters={"command": "y" * 900}, extras=[evil]
    )
    return folder


@pytest.mark.parametrize("width, dark", [(390, False), (768, True), (1280, False), (1280, True)])
def test_the_page_fits_its_width_shows_its_images_and_runs_only_its_own_script(
    browser: Browser, folder: Path, width: int, dark: bool
):
    browser.look(width, 1000, dark)
    browser.goto((folder / "page.html").as_uri())
    seen = browser.see(LAYOUT)
    assert seen["width"] == width and seen["scroll"] <= seen["room"], (
        "no sideways scrolling, with everything unfolded"
    )
    assert seen["pwned"] is None, "neither a prompt nor an extra runs anything"
    assert seen["upgraded"] == 16, "our own script did run: the policy's hash fits it"
    assert seen["font"] != "normal", "our own style applies: the policy's hash fits it"
    assert seen["images"] > 16 and seen["loaded"] == seen["images"] - 1, (
        "all images but that of the hostile extra"
    )
    assert seen["paper"] == ("rgb(19, 20, 22)" if dark else "rgb(247, 247, 244)")


def test_keys_move_between_the_prompts_and_enlarge_images(browser: Browser, folder: Path):
    browser.goto((folder / "page.html").as_uri())
    for key, where in (("j", "p1"), ("ArrowRight", "p2"), ("k", "p1")):
        browser.press(key)
        assert browser.see(HERE) == where
    browser.press("Enter")
    assert browser.see(f"[{BOX}.open, {BOX}.querySelectorAll('img').length]") == [True, 1]
    browser.press("j")
    assert browser.see(f"{BOX}.querySelector('.name').textContent") == "0.png"
    browser.press("Escape")
    browser.until(f"!{BOX}.open && {BOX}.querySelectorAll('img').length === 0")
    assert browser.see("document.activeElement.ariaLabel").startswith("Enlarge 0.png"), (
        "and one is back there"
    )


def test_an_image_is_enlarged_by_the_mouse_and_the_ground_beside_it_closes_it(browser: Browser, folder: Path):
    browser.goto((folder / "page.html").as_uri())
    browser.click_on("document.querySelector('#p1 .pic')")
    browser.until(f"{BOX}.open && {BOX}.querySelector('.name').textContent === '1.png'")
    browser.click(5, 400)
    browser.until(f"!{BOX}.open")


@pytest.mark.parametrize("width", [390, 1280])
def test_the_button_that_closes_an_enlarged_image_is_in_sight_and_covers_no_words(
    browser: Browser, folder: Path, width: int
):
    browser.look(width, 800)
    browser.goto((folder / "page.html").as_uri())
    browser.see("document.querySelector('#p2 [data-name=\"3.png\"] .pic').click()")
    box = f"(([words, close]) => [words.bottom, close.top, close.bottom])({BOXES})"
    _, top, bottom = browser.see(box)
    assert 0 < top < bottom <= 800
    browser.see(f"{BOX}.scrollTo(0, 99999)")
    words, top, _ = browser.see(box)
    assert words <= top


def test_prompts_are_found_by_their_words_and_ordered_and_images_are_sorted(browser: Browser, folder: Path):
    browser.goto((folder / "page.html").as_uri())
    browser.press("/")
    assert browser.see(HERE) == "filter"
    for letter in "BLUE square":
        browser.press(letter)
    assert browser.see(GROUPS) == ["p4"]
    assert browser.see("document.getElementById('found').textContent") == "1 of 4 prompts match"
    browser.press("Escape")
    assert browser.see(GROUPS) == ["p1", "p2", "p3", "p4"]
    assert browser.see(ORDER)[:3] == ["1.png", "0.png", "2.png"]
    for key in ("r1", "name"):
        browser.see(f"document.querySelector('#p1 [data-sort={key}]').click()")
        assert browser.see(ORDER)[:4] == ["0.png", "1.png", "2.png", "3.png"]
    browser.see("document.querySelector('[data-order=disagreement]').focus()")
    browser.press(" ")
    assert browser.see(GROUPS)[0] == "p4"
    assert browser.see("document.querySelector('.orders [aria-pressed=true]').textContent") == "disagreement"


def filter_for(browser: Browser, words: str) -> None:
    browser.press("/")
    for letter in words:
        browser.press(letter)


def test_one_who_comes_back_to_the_page_sees_what_its_filter_says(browser: Browser, folder: Path):
    url = (folder / "page.html").as_uri()
    browser.goto(url)
    filter_for(browser, "blue")
    browser.goto("about:blank")
    browser.back()
    browser.until(f"location.href === {json.dumps(url)} && document.readyState === 'complete'")
    browser.until(f"document.getElementById('filter').value === 'blue' && {GROUPS}.length === 1")
    assert browser.see("document.getElementById('found').textContent !== ''")


def test_after_the_page_is_loaded_again_the_prompts_are_those_its_filter_says(browser: Browser, folder: Path):
    browser.goto((folder / "page.html").as_uri())
    filter_for(browser, "blue")
    browser.see("document.documentElement.className = 'before'")
    browser.reload()
    browser.until("document.documentElement.className !== 'before' && document.readyState === 'complete'")
    words = "document.getElementById('filter').value"  # some browsers bring them back
    browser.until(f"{GROUPS}.length === ({words} === 'blue' ? 1 : 4)")
    assert browser.see("document.getElementById('found').textContent === ''") == (browser.see(words) == "")


def test_the_page_is_drawn(browser: Browser, folder: Path):
    browser.goto((folder / "page.html").as_uri())
    browser.shot(folder / "page.png")
    with Image.open(folder / "page.png") as image:
        assert image.size == (1200, 800) and len(image.convert("RGB").getcolors(1 << 24)) > 200


def test_the_page_is_printed_as_a_document(chromium: Chromium, folder: Path):
    chromium.goto((folder / "page.html").as_uri())
    assert base64.b64decode(chromium.send("Page.printToPDF")["data"]).startswith(b"%PDF")


def test_webkit_refuses_what_is_hostile_and_complains_of_nothing_else(webkit: WebKit, folder: Path):
    said = webkit.complaints_while_loading((folder / "page.html").as_uri())
    assert len(said) == 3 and all("SECURITY ERROR Refused to" in line for line in said)


@pytest.fixture
def framed(folder: Path) -> Iterator[str]:
    """The address of a page that holds the gallery in a frame without scripts."""
    (folder / "framed.html").write_text(FRAMED)
    handler = type("Silent", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/framed.html"
        server.shutdown()


def test_the_page_is_readable_without_javascript(browser: Browser, framed: str):
    browser.goto(framed)
    seen = browser.see(STILL)
    assert seen["figures"] == 16 + 4 and seen["images"] == 16 and seen["buttons"] == 0
    assert seen["offered"] == 0, "nothing that needs the script is offered"
    assert seen["scroll"] <= 360 and "a red circle" in seen["text"] and "abstained" in seen["text"]
