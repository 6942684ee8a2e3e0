"""The gallery in a real browser: it fits a telephone, answers keys, shows its images, and runs nothing but
its own script.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from rankkit.core.types import Group, Identity, Ranking
from rankkit.io.rows import Row, rows
from rankkit.report.extras import Section
from rankkit.report.gallery import gallery

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on the PATH"
)

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
--disable-background-networking --disable-component-update
--disable-sync --hide-scrollbars --allow-file-access-from-files --virtual-time-budget=4000""".split()  # noqa: SIM905

ATTACK = (
    "<script>window.pwned = 1</script><img src=x onerror='window.pwned = 1'>\"' autofocus "
    "onfocus='window.pwned = 1' </script></style>"
)
PROMPTS = ["a red circle", f"{ATTACK}" + "W" * 2000, "", "a blue square\u202e \U0001f408 " + "long " * 2000]

# A frame of the wanted width holds the page; this script looks at it from outside and leaves what it saw as
# JSON.
HARNESS = """<!doctype html><body style="margin:0">
<iframe {how} src="page.html" style="border:0;width:{width}px;height:1000px"></iframe><pre></pre>
<script>onload = () => {{
  const frame = document.querySelector("iframe"), page = frame.contentDocument, its = frame.contentWindow;
  const seen = {{}};
  const keydown = (key) => new its.KeyboardEvent("keydown", {{ key, bubbles: true, cancelable: true }});
  const press = (key) => page.activeElement.dispatchEvent(keydown(key));
  try {{ look(page, its, seen, press); }} catch (error) {{ seen.error = String(error); }}
  document.querySelector("pre").textContent = JSON.stringify(seen);
  frame.remove();
}};
{look}
</script>"""

LAYOUT = """const look = (page, its, seen) => {
  const root = page.documentElement, images = [...page.images];
  page.querySelectorAll("details").forEach((details) => { details.open = true; });
  seen.width = root.clientWidth;
  seen.scroll = Math.max(root.scrollWidth, page.body.scrollWidth);
  seen.images = images.length;
  seen.loaded = images.filter((image) => image.complete && image.naturalWidth > 1).length;
  seen.pwned = its.pwned ?? null;
  seen.scripts = page.scripts.length;
  seen.upgraded = page.querySelectorAll(".pic[role=button]").length;
  seen.font = its.getComputedStyle(page.querySelector("h1")).letterSpacing;
};"""

STILL = """const look = (page, its, seen) => {
  seen.figures = page.querySelectorAll("figure").length;
  seen.images = [...page.querySelectorAll("figure img")].filter((image) => image.naturalWidth > 1).length;
  seen.buttons = page.querySelectorAll("[role=button]").length;
  seen.offered = [...page.querySelectorAll("button, input")].filter((control) => control.offsetParent).length;
  seen.scroll = page.documentElement.scrollWidth;
  seen.text = page.querySelector("main").innerText.slice(0, 20000);
};"""

KEYS = """const look = (page, its, seen, press) => {
  const here = () => page.activeElement.id;
  const order = () => [...page.querySelectorAll("#p1 figure")].map((figure) => figure.dataset.name);
  press("j"); seen.first = here();
  press("ArrowRight"); seen.second = here();
  press("k"); seen.back = here();
  press("Enter");
  const box = page.getElementById("lightbox");
  seen.open = box.open;
  seen.large = box.querySelectorAll("img").length;
  press("j"); seen.turned = box.querySelector(".name").textContent;
  box.close(); seen.closed = !box.open;
  press("/"); seen.filter = here();
  page.activeElement.value = "BLUE square"; page.activeElement.dispatchEvent(new its.Event("input"));
  seen.left = [...page.querySelectorAll(".group")].filter((group) => !group.hidden).map((group) => group.id);
  seen.said = page.getElementById("found").textContent;
  press("Escape"); seen.all = page.querySelectorAll(".group[hidden]").length;
  seen.order = order();
  page.querySelector("#p1 [data-sort=r1]").click(); seen.sorted = order();
  page.querySelector("#p1 [data-sort=name]").click(); seen.named = order();
  const groups = () => [...page.querySelectorAll(".group")].map((group) => group.id);
  page.querySelector("[data-order=disagreement]").click(); seen.disputed = groups();
  seen.pressed = page.querySelector(".orders [aria-pressed=true]").textContent;
};"""


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


def chromium(folder: Path, *arguments: str) -> str:
    """Run Chromium with a profile of its own; what it prints."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    shutil.rmtree(folder / "profile", ignore_errors=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def look(folder: Path, width: int, script: str, how: str = "") -> dict:
    """What a script sees of the page in a frame of this width."""
    (folder / "harness.html").write_text(HARNESS.format(width=width, look=script, how=how), encoding="utf-8")
    dom = chromium(folder, "--window-size=1400,1100", "--dump-dom", (folder / "harness.html").as_uri())
    seen = json.loads(html.unescape(re.search("<pre>(.*?)</pre>", dom, re.S).group(1)))
    assert "error" not in seen, seen["error"]
    return seen


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_page_fits_its_width_shows_its_images_and_runs_only_its_own_script(folder: Path, width: int):
    seen = look(folder, width, LAYOUT)
    assert seen["width"] == width and seen["scroll"] <= seen["width"], (
        "no sideways scrolling, with everything unfolded"
    )
    assert seen["pwned"] is None, "neither a prompt nor an extra runs anything"
    assert seen["upgraded"] == 16, "our own script did run: the policy's hash fits it"
    assert seen["font"] != "normal", "our own style applies: the policy's hash fits it"
    assert seen["images"] > 16 and seen["loaded"] == seen["images"] - 1, (
        "all images but that of the hostile extra"
    )


def test_keys_move_filter_enlarge_and_sort(folder: Path):
    seen = look(folder, 1280, KEYS)
    assert (seen["first"], seen["second"], seen["back"]) == ("p1", "p2", "p1")
    assert seen["open"] and seen["large"] == 1 and seen["turned"] == "0.png" and seen["closed"]
    assert (
        seen["filter"] == "filter"
        and seen["left"] == ["p4"]
        and seen["said"] == "1 of 4 prompts match"
        and seen["all"] == 0
    )
    assert seen["disputed"][0] == "p4" and seen["pressed"] == "disagreement"
    assert seen["order"][:3] == ["1.png", "0.png", "2.png"]
    assert seen["sorted"][:4] == ["0.png", "1.png", "2.png", "3.png"] == seen["named"][:4]


def test_the_page_is_drawn_at_1280_and_as_a_document(folder: Path):
    page = (folder / "page.html").as_uri()
    chromium(folder, "--window-size=1280,1600", f"--screenshot={folder / 'wide.png'}", page)
    with Image.open(folder / "wide.png") as image:
        assert image.size[0] == 1280 and len(image.convert("RGB").getcolors(1 << 24)) > 200
    chromium(folder, f"--print-to-pdf={folder / 'page.pdf'}", page)
    assert (folder / "page.pdf").read_bytes().startswith(b"%PDF")


def test_the_page_is_readable_without_javascript(folder: Path):
    seen = look(folder, 360, STILL, "sandbox='allow-same-origin'")
    assert seen["figures"] == 16 + 4 and seen["images"] == 16 and seen["buttons"] == 0
    assert seen["offered"] == 0, "nothing that needs the script is offered"
    assert seen["scroll"] <= 360 and "a red circle" in seen["text"] and "abstained" in seen["text"]
