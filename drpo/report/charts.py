"""Curves as SVG: no script, no style sheet, nothing loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, BELOW = 640, 240, 44, 30  # pixels: of the chart, and what its axes' numbers need of it
COLORS = ("#1f77b4", "#999999", "#d62728", "#2ca02c")


@dataclass(frozen=True, slots=True)
class Curve:
    """A named course of (x, y) points, in ascending x."""

    name: str
    points: Sequence[tuple[float, float]]


def chart(curves: Sequence[Curve], *, x: str, y: str) -> str:
    """Curves over one pair of axes, with a legend below; the y axis spans what is drawn."""
    xs, ys = ([point[axis] for curve in curves for point in curve.points] for axis in (0, 1))
    left, right, low, high = min(xs), max(xs), min(ys), max(ys)
    high = high if high > low else low + 1

    def at(point: tuple[float, float]) -> str:
        across = LEFT + (point[0] - left) / max(right - left, 1) * (WIDTH - LEFT - 8)
        return f"{across:.1f},{8 + (high - point[1]) / (high - low) * (HEIGHT - BELOW - 8):.1f}"

    lines = [
        f'<polyline fill="none" stroke="{color}" stroke-width="2" points="{" ".join(map(at, curve.points))}"/>'
        for curve, color in zip(curves, COLORS, strict=False)
    ]
    foot = HEIGHT - BELOW
    axes = f'<path d="M{LEFT} 8V{foot}H{WIDTH - 8}" fill="none" stroke="currentColor" stroke-opacity=".4"/>'
    numbers = [
        _text(LEFT - 6, 14, f"{high:.3g}", "end"),
        _text(LEFT - 6, foot, f"{low:.3g}", "end"),
        _text(LEFT + 6, 18, y, "start"),
    ]
    numbers += [
        _text(LEFT, foot + 16, f"{left:.0f}", "start"),
        _text(WIDTH - 8, foot + 16, f"{right:.0f}", "end"),
    ]
    numbers.append(_text((WIDTH + LEFT) // 2, foot + 16, x, "middle"))
    legend = [
        _entry(number, curve.name, color)
        for number, (curve, color) in enumerate(zip(curves, COLORS, strict=False))
    ]
    tall = HEIGHT + 18 * len(curves)
    label = escape(f"{y} by {x}: {', '.join(curve.name for curve in curves)}", quote=True)
    parts = "".join([axes, *lines, *numbers, *legend])
    return f'<svg viewBox="0 0 {WIDTH} {tall}" width="{WIDTH}" role="img" aria-label="{label}">{parts}</svg>'


def _entry(number: int, name: str, color: str) -> str:
    y = HEIGHT + 18 * number
    return f'<path d="M{LEFT} {y + 4}h18" stroke="{color}" stroke-width="2"/>' + _text(
        LEFT + 24, y + 8, name, "start"
    )


def _text(x: int, y: int, words: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" font-size="12" fill="currentColor" text-anchor="{anchor}">{escape(words)}</text>'
