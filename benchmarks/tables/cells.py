"""What the tables share: their lines, how numbers are written, whether a target was met."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

Row = dict[str, Any]


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (head, ["---"] * len(head), *lines))


def cells(spread: Row) -> tuple[str, str, str]:
    return number(spread["median"]), f"{number(spread['min'])}–{number(spread['max'])}", str(spread["n"])


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Mean (least to greatest)."""
    return f"{sum(values) / len(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def verdict(ratio: Row, target: str, met: bool, more: str = "") -> str:
    spread = f"{more}pairs measured side by side: {ratio['min']:.1f}–{ratio['max']:.1f}"
    return (
        f"\nRatio of medians {ratio['median']:.2f}× ({spread}). "
        f"Target: {target}; {'met' if met else 'missed'}.\n"
    )
