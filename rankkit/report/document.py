"""Pages of sections alone, in the gallery's frame: bar, title, numbers, sections, foot."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from rankkit.report import page
from rankkit.report.extras import Section
from rankkit.report.html import Html, clipped, h
from rankkit.report.output import write_pieces
from rankkit.report.series import SERIES

BAR = range(3, 13)  # of so many titled sections a page has links to them
KEYS = ((("Enter",), "enlarge"), (("←", "→"), "turn enlarged images"), (("Esc",), "close"))


def write_page(
    out: str | os.PathLike[str],
    title: str,
    sections: Sequence[Section],
    *,
    lead: str = "",
    tiles: Sequence[tuple[str, str]] = (),
) -> Path:
    """Write a self-contained page of sections, in the gallery's style, and return its path.

    `lead` is a sentence below the title, `tiles` are its first numbers, each with what it counts. `gallery`
    can take up such a page as a section of its own. Raises `UsageError` when `out` cannot be written or is a
    file that rankkit did not write.
    """
    write_pieces(Path(out), _document(title, sections, lead, tiles))
    return Path(out)


def _document(
    title: str, sections: Sequence[Section], lead: str, tiles: Sequence[tuple[str, str]]
) -> Iterator[Html]:
    yield page.head(title)
    links = [(f"#s{number}", section.title) for number, section in enumerate(sections, 1) if section.title]
    if len(links) in BAR:
        yield h("a", f"Skip to {clipped(links[0][1], 40)}", href=links[0][0], class_="skip")
        yield page.bar(title, links)
    yield page.heading(title, lead, tiles)
    yield Html("<main>")
    for number, section in enumerate(sections, 1):
        heading = h("h2", clipped(section.title, 200)) if section.title else None
        yield h("section", heading, h("div", Html(section.html), class_="extra"), id=f"s{number}")
    yield Html("</main>")
    enlarged = any(f'class="{SERIES}"' in section.html for section in sections)
    yield page.foot(KEYS if enlarged else ())
