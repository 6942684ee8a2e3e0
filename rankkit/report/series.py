"""Images of the same things at several moments: the first beside one that a slider chooses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rankkit.report.html import Html, clipped, folded, h

SERIES = "series"  # the class by which the page's script finds it
SMALL = 128  # pixels up to which an image is enlarged with sharp pixels


@dataclass(frozen=True, slots=True)
class Followed:
    """What is followed through several moments, under one title: per thing a ``data:`` URI per moment.

    `side` is the images' side in pixels, where it is known.
    """

    title: str
    images: Sequence[Sequence[str]]
    side: int = 0


def series(moments: Sequence[str], subjects: Sequence[Followed]) -> Html:
    """Images at named moments: the first one beside the last, and a slider to see those between.

    Without a script, and in print, the first and the last are shown.
    """
    return h("div", [_subject(moments, subject) for subject in subjects], class_=SERIES)


def _subject(moments: Sequence[str], subject: Followed) -> Html:
    heading = h("h3", folded(subject.title), dir="auto")
    kind = "pixels" if 0 < subject.side <= SMALL else None
    shown = [
        h("div", [
            _figure(uri, moment, f"{moment}, image {number}: {clipped(subject.title, 120)}", kind)
            for moment, uri in zip(moments, uris, strict=True)
        ], class_="moments")
        for number, uris in enumerate(subject.images, 1)
    ]  # fmt: skip
    return h("div", heading, h("div", shown, class_="threads"), class_="card subject")


def _figure(uri: str, moment: str, alt: str, kind: str | None) -> Html:
    image = h("img", src=uri, alt=alt, class_=kind)
    words = h("figcaption", h("p", moment, class_="name"))
    return h("figure", h("div", image, class_="pic"), words, class_="candidate")
