"""Sections of a page that somebody else fills, such as the report of a training run.

Built from values, read back from a page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

from rankkit.errors import UsageError
from rankkit.report.html import VOID, Html, h, join, opening

TAGS = frozenset(
    """
    p h2 h3 h4 div span b i em strong code pre ul ol li dl dt dd table thead tbody tr th td details
    summary figure figcaption img svg path polyline rect circle line text g title a br hr
    """.split()  # noqa: SIM905
)
ATTRIBUTES = frozenset(
    """
    alt aria-label aria-hidden class colspan cx cy d fill fill-opacity font-size height href open
    points r role rowspan rx scope src stroke stroke-opacity stroke-width tabindex text-anchor title
    viewbox width x x1 x2 y y1 y2
    """.split()  # noqa: SIM905
)
# left out with everything in them
DROPPED = frozenset(("script", "style", "template", "iframe", "object", "noscript"))
CAMEL = {"viewbox": "viewBox"}  # SVG attributes whose case the parser folds


@dataclass(frozen=True, slots=True)
class Section:
    """A block of a caller's own.

    `title` is plain text; `html` is written as it is: build it with `h`, which escapes.

    A page's policy lets it hold SVG and ``data:`` images, but refuses scripts, ``style`` attributes and
    anything from a network. The classes ``strip`` (a row of images that wraps), ``note`` (small grey text),
    ``cards`` and in it ``card``, ``facts`` (what a card says) and ``scroll`` (a table that is too wide for a
    telephone) may be used.
    """

    title: str
    html: str


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Html:
    """A table of text; without any title it has no head."""
    head = h("thead", h("tr", [h("th", title, scope="col") for title in titles])) if any(titles) else None
    return h("table", head, h("tbody", [h("tr", [h("td", cell) for cell in row]) for row in rows]))


def image(data_uri: str, alt: str) -> Html:
    """An image that the page holds itself, as a ``data:`` URI."""
    return h("img", src=data_uri, alt=alt)


def read_section(path: Path) -> Section:
    """The ``<main>`` of another page as a section under that page's title.

    Only its text, tables, figures and embedded images.

    Raises `UsageError` for a file that cannot be read or has no ``<main>``.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({error}); give an HTML page") from None
    reader = _MainReader()
    reader.feed(text)
    reader.close()
    if not reader.found:
        raise UsageError(
            f"{path}: has no <main>, so there is nothing to put into the gallery; give an HTML page such as "
            f"a training report"
        )
    return Section("".join(reader.title).strip() or path.stem, join(reader.pieces))


class _MainReader(HTMLParser):
    """Writes what stands in ``<main>`` anew, from the tags and attributes that a section may hold."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title: list[str] = []
        self.pieces: list[str] = []
        self.found = self._inside = self._in_title = False
        self._dropping = 0
        self._open: list[str] = []  # tags written and not closed yet

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "title" and not self._inside
        self._dropping += tag in DROPPED
        if tag == "main":
            self.found = self._inside = True
        elif self._inside and not self._dropping and tag in TAGS:
            kept = {
                CAMEL.get(name, name): value or "" for name, value in attrs if _harmless(name, value or "")
            }
            self.pieces.append(opening(tag, **kept))
            self._open += [tag] if tag not in VOID else []

    def handle_endtag(self, tag: str) -> None:
        self._in_title = False
        self._dropping -= tag in DROPPED and self._dropping > 0
        if tag == "main":
            self._inside = False
        elif self._inside and not self._dropping and tag in self._open:
            self._close(self._open[::-1].index(tag) + 1)

    def close(self) -> None:
        super().close()
        self._close(len(self._open))

    def _close(self, tags: int) -> None:
        """Close the innermost tags: an end without its start would close the gallery's own elements."""
        for _ in range(tags):
            self.pieces.append(Html(f"</{self._open.pop()}>"))

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif self._inside and not self._dropping:
            self.pieces.append(data)


def _harmless(name: str, value: str) -> bool:
    """Whether an attribute may stay: images are embedded ones, links lead within the page."""
    if name == "src":
        return value.startswith("data:image/")
    if name == "href":
        return value.startswith("#")
    return name in ATTRIBUTES
