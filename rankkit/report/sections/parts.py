"""What several sections share: a ranker's colour, its diagnostics of a group, and thumbnails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rankkit.report.html import Html, h
from rankkit.report.model import Prompt
from rankkit.report.thumbnails import Thumbnail

Show = Callable[[str, int], Thumbnail]  # an image's name and a size in pixels to its thumbnail
HOT = 0.8  # the disagreement from which on it is shown in red


def dot(at: int) -> Html:
    """A ranker's colour, which screen readers pass over."""
    return h("i", class_=f"dot c{at % 8}", aria_hidden="true")


def scrolling(table: Html, label: str) -> Html:
    """A table that scrolls by itself, by keys too, on a narrow page; `label` is for screen readers."""
    return h("div", table, class_="scroll", tabindex="0", role="region", aria_label=label)


def diagnostics(prompt: Prompt, at: int) -> dict[str, Any]:
    """What a ranker says of a group as a whole.

    The details that are the same for every candidate it ranked (at least two).
    """
    told = [
        dict(c.cells[at].details)
        for c in prompt.candidates.values()
        if at in c.cells and c.cells[at].score is not None
    ]
    if len(told) < 2:
        return {}
    return {
        key: value
        for key, value in told[0].items()
        if all(key in other and other[key] == value for other in told[1:])
    }
