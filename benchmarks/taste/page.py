"""What `python -m benchmarks.taste` found as a page, and a figure of what training changed.

    python -m benchmarks.taste.page [--seed 1] [--work runs/taste]

Writes WORK/page.html and docs/images/taste.png: images of four held-out prompts by the untrained generator
and by that of each arm, the same noises below each other.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont

from benchmarks.record import RESULTS
from benchmarks.tables.cells import Row
from benchmarks.tables.taste import LABELS, cells, latest
from benchmarks.training import held_out
from drpo import build
from drpo.generators.one_step import OneStep
from drpo.recipes import shapes
from drpo.run.sample import read_config, trained
from rankkit.core.images import data_uri
from rankkit.plugin import Section, h, image, table, write_page

FIGURE = Path(__file__).parents[2] / "docs" / "images" / "taste.png"
PROMPTS = (
    "a painting of a circle", "a sketch of three triangles", "a photo of a yellow triangle",
    "a photo of a square and a triangle",
)  # fmt: skip
SHOWN, SIDE, GAP, LABEL, CAPTION = 5, 64, 14, 190, 24


def main() -> None:
    """Write the figure and the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", type=Path, default=Path("runs/taste"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = latest([json.loads(line) for line in (RESULTS / "taste.jsonl").read_text("utf-8").splitlines()])
    steps, folder = rows[0]["steps"], options.work / f"seed-{options.seed}"
    runs = {arm: folder / f"run-{arm}-{steps}" for arm in LABELS if (folder / f"run-{arm}-{steps}").is_dir()}
    figure = drawn(runs)
    FIGURE.parent.mkdir(exist_ok=True)
    FIGURE.write_bytes(small_png(figure))
    title = "From a person's answers to a trained generator"
    print(write_page(options.work / "page.html", title, sections(rows, figure)))


def sections(rows: Sequence[Row], figure: Image.Image) -> list[Section]:
    """The numbers, and the figure."""
    head, lines = cells(rows)
    words = (
        "The hidden taste likes warm colours and things far up, 0 to 2. Means over held-out prompts; images "
        "below each other are of the same noises."
    )
    return [
        Section("What the hidden taste says", h("div", h("p", words), table(head, lines))),
        Section("Before and after", image(data_uri(figure), "Images before and after training, by arm")),
    ]


def drawn(runs: dict[str, Path]) -> Image.Image:
    """The figure: a line of images for the untrained generator and for each run."""
    base = build.generator(shapes())
    assert isinstance(base, OneStep)
    lines = {"before training": images_of(base)}
    for arm, run in runs.items():
        generator = trained(read_config(run), run)
        assert isinstance(generator, OneStep)
        lines[f"by {LABELS[arm]}"] = images_of(generator)
    block = SHOWN * SIDE + GAP
    size = LABEL + len(PROMPTS) * block, CAPTION + len(lines) * SIDE
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for column, prompt in enumerate(next(iter(lines.values()))):
        pen.text((LABEL + column * block, 3), prompt, fill="black", font=font)
    for row, (label, prompts) in enumerate(lines.items()):
        pen.text((4, CAPTION + row * SIDE + SIDE // 2 - 9), label, fill="black", font=font)
        for column, made in enumerate(prompts.values()):
            for place, each in enumerate(made):
                at = (LABEL + column * block + place * SIDE, CAPTION + row * SIDE)
                sheet.paste(each.resize((SIDE, SIDE), Image.Resampling.NEAREST), at)
    return sheet


def images_of(generator: OneStep) -> dict[str, list[Image.Image]]:
    """The first images of the prompts that are shown."""
    found = {}
    for prompt, noise in held_out(generator, "final"):
        if prompt in PROMPTS:
            with torch.no_grad():
                found[prompt] = list(islice(generator.sample(prompt, noise).images(), SHOWN))
    return found


def small_png(drawing: Image.Image) -> bytes:
    """A PNG of few colours."""
    buffer = io.BytesIO()
    drawing.quantize(64, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


if __name__ == "__main__":
    main()
