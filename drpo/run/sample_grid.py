"""Sample grids: images of a run before and after, from the same prompts and noises, above each other; and
these images by themselves, at their full size.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from drpo.types import Sample

SHOWN, COLUMNS = 8, 2  # prompts on a sheet, evenly taken from all, and blocks side by side
# pixels of one image: small ones are enlarged to about the first, large ones shrunk to the second
SIDE, LARGEST = 96, 256
# width of the words before a row, height of the line above two rows, pixels between blocks
LABEL, CAPTION, GAP = 48, 18, 12
SHARP = 128  # pixels of a side up to which images are kept without loss
BASE, TITLES = "base", "prompts.json"  # in the folder of images: the base's, and the prompts' words


def shown(samples: Sequence[Sample]) -> list[Sample]:
    """The samples that are shown, evenly taken from all."""
    if len(samples) <= SHOWN:
        return list(samples)
    return [samples[number * len(samples) // SHOWN] for number in range(SHOWN)]


def keep_images(folder: Path, step: int, before: Sequence[Sample], after: Sequence[Sample]) -> None:
    """Write the images of one evaluation, ``000040/PROMPT-IMAGE.webp``, and once those of the base beside
    them.
    """
    if not (folder / TITLES).is_file():
        _write_images(folder / BASE, before)
        titles = json.dumps([sample.prompt for sample in shown(before)], ensure_ascii=False)
        (folder / TITLES).write_text(titles + "\n", encoding="utf-8")
    _write_images(folder / f"{step:06d}", after)


def _write_images(folder: Path, samples: Sequence[Sample]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, sample in enumerate(shown(samples)):
        for at, image in enumerate(sample.images()):
            save_image(folder / f"{number}-{at}", image)


def save_image(path: Path, image: Image.Image) -> Path:
    """Write an image under its name and the ending of its format, a small one without loss."""
    whole = max(image.size) <= SHARP
    written = path.with_name(f"{path.name}.{'png' if whole else 'webp'}")
    if whole:
        image.save(written)
    else:
        image.save(written, quality=90)
    return written


def sample_grid(before: Sequence[Sample], after: Sequence[Sample]) -> Image.Image:
    """A grid of blocks, one per prompt: its images before, and below them those after, the same noises above
    each other.
    """
    blocks = [_block(one, other) for one, other in zip(shown(before), shown(after), strict=True)]
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
    printable = words.encode("latin-1", "replace").decode("latin-1")  # all that Pillow's own font can draw
    ImageDraw.Draw(sheet).text(at, printable, fill="black", font=ImageFont.load_default(12))
