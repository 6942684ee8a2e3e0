"""Sample grids: images of a run before and after, from the same prompts and noises, above each other."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from drpo.types import Sample

SHOWN, COLUMNS = 8, 2  # prompts on a sheet, evenly taken from all, and blocks side by side
SIDE, LARGEST = (
    96,
    256,
)  # pixels of one image: small ones are enlarged to about the first, large ones shrunk to the second
LABEL, CAPTION, GAP = (
    48,
    18,
    12,
)  # width of the words before a row, height of the line above two rows, pixels between blocks


def sample_grid(before: Sequence[Sample], after: Sequence[Sample]) -> Image.Image:
    """A grid of blocks, one per prompt: its images before, and below them those after, the same noises above
    each other.
    """
    pairs = list(zip(before, after, strict=True))
    shown = [pairs[number * len(pairs) // SHOWN] for number in range(SHOWN)] if len(pairs) > SHOWN else pairs
    blocks = [_block(one, other) for one, other in shown]
    width, height = blocks[0].width + GAP, blocks[0].height + GAP
    columns = min(COLUMNS, len(blocks))
    sheet = Image.new("RGB", (columns * width - GAP, -(-len(blocks) // columns) * height - GAP), "white")
    for number, block in enumerate(blocks):
        sheet.paste(block, (number % columns * width, number // columns * height))
    return sheet


def _block(before: Sample, after: Sample) -> Image.Image:
    rows = [_fitted(one.images()) for one in (before, after)]
    side = rows[0][0].width
    block = Image.new("RGB", (LABEL + len(rows[0]) * side, CAPTION + len(rows) * side), "white")
    _write(block, (0, 2), textwrap.shorten(before.prompt, block.width // 6, placeholder="…"))
    for line, (word, row) in enumerate(zip(("before", "after"), rows, strict=True)):
        y = CAPTION + line * side
        _write(block, (0, y + side // 2 - 7), word)
        for x, image in enumerate(row):
            block.paste(image, (LABEL + x * side, y))
    return block


def _fitted(images: Sequence[Image.Image]) -> list[Image.Image]:
    """Square images at a size to be seen: whole multiples of small ones, so that their pixels stay sharp."""
    side = images[0].width
    size = side * max(1, SIDE // side) if side <= SIDE else min(side, LARGEST)
    method = Image.Resampling.NEAREST if size >= side else Image.Resampling.LANCZOS
    return [image.resize((size, size), method) for image in images]


def _write(sheet: Image.Image, at: tuple[int, int], words: str) -> None:
    printable = words.encode("latin-1", "replace").decode(
        "latin-1"
    )  # what Pillow's own font can draw everywhere
    ImageDraw.Draw(sheet).text(at, printable, fill="black", font=ImageFont.load_default(12))
