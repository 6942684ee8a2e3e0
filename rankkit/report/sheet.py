"""A contact sheet: chosen images part by part, on one self-contained page."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rankkit.core.text import count
from rankkit.io.prompts.stored import StoredImages
from rankkit.report.document import write_page
from rankkit.report.extras import Section
from rankkit.report.gallery import MOST_IMAGES
from rankkit.report.html import Html, clipped, h, middle
from rankkit.report.thumbnails import thumbnail_of

SIZE = 200  # pixels of the longer side


@dataclass(frozen=True, slots=True)
class Shown:
    """One image of a sheet: its name, the row file beside which it may lie, and what is said under it."""

    name: str
    beside: str
    words: str


def write_sheet(out: str | os.PathLike[str], title: str, parts: Mapping[str, Sequence[Shown]]) -> Path:
    """Write a page of images in their order, under the name of each part, and return its path.

    At most 3000 are shown, and the page says how many are not. Raises `UsageError` when `out` cannot be
    written or is a file that rankkit did not write.
    """
    room = MOST_IMAGES
    sections = []
    for name, images in parts.items():
        strip = h("div", list(_figures(islice(images, room))), class_="strip")
        sections.append(Section(clipped(name, 160), strip))
        room -= min(room, len(images))
        if not room:
            break
    left_out = sum(map(len, parts.values())) - (MOST_IMAGES - room)
    if left_out:
        sections.append(Section("", h("p", f"{count(left_out, 'more image')} chosen.", class_="note")))
    return write_page(out, title, sections)


def _figures(images: Iterator[Shown]) -> Iterator[Html]:
    stored = StoredImages()
    for image in images:
        seen = thumbnail_of(image.name, image.beside, SIZE, stored)
        if seen.uri:
            shown = h("img", src=seen.uri, alt=middle(image.name, 80), width=seen.width, height=seen.height)
        else:
            shown = h("p", f"no image: {clipped(seen.problem or '', 120)}", class_="note")
        words = [h("span", middle(image.name, 34)), h("br"), h("span", image.words, class_="note")]
        yield h("figure", shown, h("figcaption", words))
