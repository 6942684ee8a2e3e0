"""Bars, histograms and slope charts of the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rankkit.report.html import Html, h, number

ROW, WIDTH, THUMB = 58, 380, 48  # of the slope chart, in its own units


@dataclass(frozen=True, slots=True)
class Slope:
    """One candidate of a slope chart.

    Its image (a data URI or nothing), its place and its rank on either side, what to call it.
    """

    uri: str
    left: int
    right: int
    left_rank: str
    right_rank: str
    name: str


def bar(share: float) -> Html:
    """A thin bar filled to `share` of its length, from 0 to 1.

    The numbers beside it say the same in words.
    """
    filled = h("rect", width=round(100 * share, 1), height=4, class_="fill")
    return h(
        "svg",
        h("rect", width=100, height=4, class_="rail"),
        filled,
        class_="bar",
        viewBox="0 0 100 4",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def distribution(values: Sequence[float], colour: int, bins: int = 36) -> Html:
    """A histogram of scores with its two ends named, in the colour of column number `colour`."""
    counts = histogram(values, bins)
    top = max(counts)
    bars = [
        h(
            "rect",
            x=round(i * 240 / bins + 0.5, 2),
            y=round(44 - tall, 2),
            width=round(240 / bins - 1, 2),
            height=round(tall, 2),
            rx=1,
        )
        for i, n in enumerate(counts)
        if n and (tall := max(1.5, 44 * n / top))
    ]
    low, high = number(min(values)), number(max(values))
    label = f"distribution of {len(values)} scores from {low} to {high}"
    drawing = h("svg", bars, viewBox="0 0 240 44", preserveAspectRatio="none", role="img", aria_label=label)
    return h(
        "div",
        drawing,
        h("div", h("span", low), h("span", high), class_="ends"),
        class_=f"histogram c{colour % 8}",
    )


def slopes(candidates: Sequence[Slope], key: str, left: str, right: str) -> Html:
    """Candidates in one ranker's order on the left and in the other's on the right, joined.

    Steep lines are disputed.
    """
    height = ROW * len(candidates) + 8
    margin = max(
        34, 18 + 9 * max(len(rank) for slope in candidates for rank in (slope.left_rank, slope.right_rank))
    )
    steps = max(len(candidates) - 1, 1)
    flat_first = sorted(candidates, key=lambda slope: abs(slope.left - slope.right))
    lines = [_line(slope, margin, abs(slope.left - slope.right) / steps) for slope in flat_first]
    ends = [
        end
        for i, slope in enumerate(candidates)
        for end in _slope_ends(slope, margin, f"{key}i{i}", f"url(#{key}r)")
    ]
    label = f"The order by {left} on the left and by {right} on the right; lines join the same candidate."
    return h(
        "svg",
        h("clipPath", h("rect", width=1, height=1, rx=0.13), id=f"{key}r", clipPathUnits="objectBoundingBox"),
        lines,
        ends,
        class_="slopes",
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=label,
    )


def _line(slope: Slope, margin: int, steepness: float) -> Html:
    y, z = _middle(slope.left), _middle(slope.right)
    start, end = margin + THUMB, WIDTH - margin - THUMB
    bend = (end - start) * 0.45
    kind = "steep" if steepness > 0.6 else "tilted" if steepness > 0.25 else "flat"
    return h("path", d=f"M{start} {y}C{start + bend:.0f} {y} {end - bend:.0f} {z} {end} {z}", class_=kind)


def _slope_ends(slope: Slope, margin: int, key: str, clip: str) -> list[Html]:
    y, z = _middle(slope.left), _middle(slope.right)
    right = WIDTH - margin - THUMB
    ranks = [
        h("text", slope.left_rank, x=margin - 8, y=y + 5, text_anchor="end"),
        h("text", slope.right_rank, x=WIDTH - margin + 8, y=z + 5),
    ]
    places = ((margin, y), (right, z))
    mats = [
        h("rect", x=x, y=at - THUMB // 2, width=THUMB, height=THUMB, rx=6, class_="mat") for x, at in places
    ]
    if not slope.uri:
        blanks = [
            h("text", "?", x=x + THUMB // 2, y=at + 5, text_anchor="middle", class_="blank")
            for x, at in places
        ]
        return [*ranks, *mats, *blanks]
    box = {"x": margin, "y": y - THUMB // 2, "width": THUMB, "height": THUMB}
    first = h(
        "image",
        h("title", slope.name),
        id=key,
        href=slope.uri,
        preserveAspectRatio="xMidYMid slice",
        clip_path=clip,
        **box,
    )
    return [*ranks, *mats, first, h("use", href=f"#{key}", x=right - margin, y=z - y)]


def _middle(place: int) -> int:
    return 4 + ROW * place + ROW // 2


def histogram(values: Sequence[float], bins: int) -> list[int]:
    """How many of the values lie in each of `bins` equal steps between the smallest and the largest."""
    low, high = min(values), max(values)
    if not high > low:
        return [len(values) if i == bins // 2 else 0 for i in range(bins)]
    with np.errstate(all="ignore"):
        step = (np.asarray(values, float) - low) / (high - low)
    at = np.clip((np.nan_to_num(step) * bins).astype(int), 0, bins - 1)
    return [int(n) for n in np.bincount(at, minlength=bins)]
