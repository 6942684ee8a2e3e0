"""What the parts of a run's page share: cards, tables, intervals, and numbers in words."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rankkit.plugin import h, table


def figure(value: float | None) -> str:
    """A mean for people: four digits, a dash where there is none."""
    return "–" if value is None or value != value else f"{value:.4g}".replace("-", "−")


def gained(value: float) -> str:
    """A difference for people, with its sign."""
    return f"{value:+.3g}".replace("-", "−")


def share(value: float) -> str:
    """A share in percent."""
    return f"{value:.1%}".replace("%", " %")


def chip(words: str, kind: str = "") -> str:
    """A small label."""
    return h("span", words, class_=f"chip {kind}".strip())


def card(title: str, label: str, *parts: Any) -> str:
    """A block of its own: a title with a label behind it, if there is one, and what stands below."""
    return h("div", h("h3", title, chip(label) if label else None), *parts, class_="card")


def cards(made: Sequence[str]) -> str:
    """Blocks side by side, as many as there is room for."""
    return h("div", made, class_="cards")


def facts(words: str) -> str:
    """A line of a card."""
    return h("p", words, class_="facts")


def note(words: str) -> str:
    """Small grey text."""
    return h("p", words, class_="note")


def rows(titles: Sequence[str], lines: Sequence[Sequence[str]], name: str) -> str:
    """A table that can be moved by itself where it is too wide."""
    return h(
        "div", table(titles, lines), class_="scroll", tabindex="0", role="region", aria_label=name
    )  # fmt: skip


def meter(low: float, high: float, rate: float) -> str:
    """A share with its interval on a line from 0 to 1, one half marked."""
    return h(
        "svg",
        h("rect", x=0, y=10, width=200, height=4, class_="rail"),
        h("rect", x=200 * low, y=7, width=max(1.0, 200 * (high - low)), height=10, class_="span"),
        h("path", d="M100 3V21", class_="half", fill="none"),
        h("rect", x=200 * rate - 1.5, y=5, width=3, height=14, class_="at"),
        class_="meter",
        viewBox="0 0 200 24",
        preserveAspectRatio="none",
        role="img",
        aria_label=f"{share(rate)}, interval {share(low)} to {share(high)}",
    )


def data_uri(path: Path) -> str:
    """An image file as the page holds it."""
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return f"data:image/{path.suffix[1:]};base64,{data}"
