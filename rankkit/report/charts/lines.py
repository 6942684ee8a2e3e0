"""Curves over one pair of axes, for a page and, with colours of its own, for a file by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rankkit.report.html import Html, h

# of a drawing by itself; on a page the classes c0 … c7 give lighter ones where it is dark
COLOURS = ("#2f5fd0", "#d0672b", "#18866a", "#9147b8", "#b0902a", "#c43d6b", "#3d8fb0", "#6f7378")
HEIGHT, LEFT, RIGHT, TOP, BELOW, LINE = 240, 48, 10, 26, 30, 18  # pixels: what numbers and names need
DOTTED = 40  # points up to which each is a dot that says its numbers


@dataclass(frozen=True, slots=True)
class Curve:
    """A named curve of (x, y) points, in ascending x."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Axes:
    """Where a point lies in a drawing of this width."""

    xs: tuple[float, float]
    ys: tuple[float, float]
    width: int

    def across(self, x: float) -> float:
        share = (x - self.xs[0]) / ((self.xs[1] - self.xs[0]) or 1)
        return round(LEFT + share * (self.width - LEFT - RIGHT), 1)

    def down(self, y: float) -> float:
        share = (self.ys[1] - y) / ((self.ys[1] - self.ys[0]) or 1)
        return round(TOP + share * (HEIGHT - BELOW - TOP), 1)


def line_chart(curves: Sequence[Curve], *, x: str, y: str, width: int = 640) -> Html:
    """At most eight curves over one pair of axes, `width` pixels wide, with a legend below where there are
    several; the y axis spans what is drawn.
    """
    axes = _axes(curves, width)
    shown = list(zip(range(len(COLOURS)), curves, strict=False))
    legend = [_legend(number, curve.name) for number, curve in shown] if len(curves) > 1 else []
    return h(
        "svg",
        _grid(axes, x, y),
        [_curve(axes, number, curve) for number, curve in shown],
        legend,
        class_="chart",
        viewBox=f"0 0 {width} {HEIGHT + LINE * len(legend)}",
        width=width,
        role="img",
        aria_label=f"{y} by {x}: {', '.join(curve.name for curve in curves)}",
    )


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers from `low` to `high`, at most `most` of them and two where there is room for two.

    >>> ticks(0.13, 0.88, 5)
    [0.2, 0.4, 0.6, 0.8]
    """
    if not high > low:
        return [low]
    raw = (high - low) / max(most - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * each for each in (1, 2, 2.5, 5, 10) if power * each >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    found = [round(number * step, 12) for number in range(first, math.floor(high / step + 1e-9) + 1)]
    return found[:most] if len(found) > 1 else [low, high]


def _axes(curves: Sequence[Curve], width: int) -> _Axes:
    xs, ys = ([point[axis] for curve in curves for point in curve.points] for axis in (0, 1))
    low, high = min(ys), max(ys)
    room = (high - low) * 0.04 or abs(high) * 0.1 or 1.0
    return _Axes((min(xs), max(xs)), (low - room, high + room), width)


def _grid(axes: _Axes, x: str, y: str) -> list[Html]:
    foot, end = HEIGHT - BELOW, axes.width - RIGHT
    lines = [_words(LEFT, 14, y, "start"), _words(end, foot + 17, x, "end")]
    for value in ticks(*axes.ys, 5):
        at = axes.down(value)
        lines.append(h("path", d=f"M{LEFT} {at}H{end}", stroke="currentColor", stroke_opacity=0.14))
        lines.append(_words(LEFT - 7, at + 4, f"{value:.4g}", "end"))
    for value in ticks(*axes.xs, 5):
        if axes.across(value) < end - 12 - 7 * len(x):  # the axis' name stands at its end
            lines.append(_words(axes.across(value), foot + 17, f"{value:g}", "middle"))
    lines.append(h("path", d=f"M{LEFT} {foot}H{end}", stroke="currentColor", stroke_opacity=0.4))
    return lines


def _curve(axes: _Axes, number: int, curve: Curve) -> Html:
    places = [(axes.across(x), axes.down(y)) for x, y in curve.points]
    line = h(
        "polyline", points=" ".join(f"{across},{down}" for across, down in places), fill="none",
        stroke=COLOURS[number], stroke_width=2,
    )  # fmt: skip
    dots = [
        h(
            "circle",
            h("title", f"{curve.name}: {y:.4g} at {x:g}"),
            cx=across,
            cy=down,
            r=3,
            fill=COLOURS[number],
        )
        for (across, down), (x, y) in zip(places, curve.points, strict=True)
        if len(places) <= DOTTED
    ]
    return h("g", line, dots, class_=f"curve c{number}")


def _legend(number: int, name: str) -> list[Html]:
    y = HEIGHT + LINE * number
    mark = h("path", d=f"M{LEFT} {y + 4}h18", fill="none", stroke=COLOURS[number], stroke_width=2)
    return [h("g", mark, class_=f"curve c{number}"), _words(LEFT + 24, y + 8, name, "start")]


def _words(x: float, y: float, words: str, anchor: str) -> Html:
    return h("text", words, x=x, y=y, font_size=12, fill="currentColor", text_anchor=anchor)
