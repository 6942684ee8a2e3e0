"""Rows to one self-contained HTML file: rankers, prompts with best and worst, and disagreement."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from rankkit.errors import UsageError
from rankkit.io.prompts.stored import StoredImages
from rankkit.io.rows import Row
from rankkit.report import page
from rankkit.report.build import read_results
from rankkit.report.extras import Section
from rankkit.report.html import Html, h
from rankkit.report.model import Results
from rankkit.report.output import write_pieces
from rankkit.report.sections import disagreement, overview, prompts
from rankkit.report.sections.candidates import EACH_END
from rankkit.report.thumbnails import Thumbnail, thumbnail_of

__all__ = ["Section", "gallery"]

MOST_IMAGES = 3000  # in one page: about 40 MB of 256-pixel thumbnails
WORKERS = 4  # images that are decoded at a time


def gallery(
    rows: Iterable[Row],
    out: str | os.PathLike[str],
    *,
    beside: str | os.PathLike[str] | None = None,
    title: str = "rankkit",
    parameters: Mapping[str, Any] | None = None,
    max_groups: int = 200,
    thumbnail: int = 256,
    extras: Sequence[Section] = (),
) -> Path:
    """Write `out`, one HTML file that holds everything it shows, and return its path.

    The file replaces an older one only when it is complete. Images are looked for as their rows name them,
    then in the folder of `beside` (the row file; `out` when it is None). One that cannot be found or decoded
    becomes a placeholder with the reason; one whose sha256 differs from its row's is marked as changed.
    `parameters` are shown as the run's own. Images, at most `thumbnail` pixels wide and high, are embedded
    for the `max_groups` most telling prompts and at most 12 candidates from either end of each; the page says
    in words what it leaves out. `extras` are put above the rankers as they are.

    Raises `UsageError` for a size or a number below 1, and when `out` cannot be written or is a file that
    rankkit did not write.
    """
    out = Path(out)
    for name, value in (("max_groups", max_groups), ("thumbnail", thumbnail)):
        if value < 1:
            raise UsageError(f"{name} is {value}; it is at least 1")
    found = read_results(rows)
    near = out if beside is None else beside
    # decoding in threads would leave its warning filter behind
    with warnings.catch_warnings(), ThreadPoolExecutor(WORKERS) as pool:
        thumbnailer = Thumbnailer(near, thumbnail, pool)
        write_pieces(out, _page(found, thumbnailer, title, parameters or {}, max_groups, extras))
    return out


class Thumbnailer:
    """Makes thumbnails of the images beside one row file; none is kept."""

    def __init__(self, beside: str | os.PathLike[str], size: int, pool: ThreadPoolExecutor):
        self._beside, self._size, self._pool, self._images = beside, size, pool, StoredImages()

    def many(self, names: Sequence[str]) -> Iterator[Thumbnail]:
        """The thumbnails of these images, in order, several decoded at a time."""
        return self._pool.map(lambda name: self.one(name, self._size), names)

    def one(self, name: str, size: int) -> Thumbnail:
        """A thumbnail for the overview, no larger than the others."""
        return thumbnail_of(name, self._beside, min(size, self._size), self._images)


def _page(
    found: Results,
    thumbnailer: Thumbnailer,
    title: str,
    parameters: Mapping[str, Any],
    max_groups: int,
    extras: Sequence[Section],
) -> Iterator[Html]:
    shown = found.telling(max_groups)
    numbers = {prompt.number for prompt in shown}
    each_end = _each_end([len(prompt.candidates) for prompt in shown])
    yield page.head(title)
    yield h("a", "Skip to the prompts", href="#prompts", class_="skip")
    yield page.top_bar(title, found, extras)
    yield Html("<main>")
    yield page.summary(title, found)
    for number, section in enumerate(extras, 1):
        yield page.extra_section(number, section)
    yield from overview.rankers(found, thumbnailer.one, numbers)
    yield from disagreement.disagreement(found, thumbnailer.one, numbers)
    yield Html('<section id="prompts">')
    yield page.prompts_head(found, len(shown), each_end)
    stacked = " stacked" if any(len(column.label) > 10 for column in found.columns) else ""
    yield Html(f'<div class="groups{stacked}">')
    for prompt in shown:
        yield from prompts.article(found, prompt, thumbnailer.many, each_end)
    yield Html("</div>")
    yield from prompts.without_images(
        found, [prompt for prompt in found.prompts if prompt.number not in numbers]
    )
    yield Html("</section>")
    yield from disagreement.abstentions(found, numbers)
    yield page.run_section(found, parameters)
    yield Html("</main>")
    yield page.foot()


def _each_end(sizes: Sequence[int]) -> int:
    """How many candidates to show from either end of a group.

    As many as keep the page within its number of images.
    """
    fits = (n for n in range(EACH_END, 2, -1) if sum(min(size, 2 * n) for size in sizes) <= MOST_IMAGES)
    return next(fits, 2)
