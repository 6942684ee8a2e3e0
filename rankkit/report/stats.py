"""Numbers that only the page needs: win rates between sets, histograms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def win_rate(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Share of pairs (one of ours, one of theirs) in which ours scores higher; a tie is half a win."""
    other = np.sort(np.asarray(theirs, float))
    below, up_to = np.searchsorted(other, ours, "left"), np.searchsorted(other, ours, "right")
    return float((below + up_to).mean() / 2 / len(other))


def histogram(values: Sequence[float], bins: int) -> list[int]:
    """How many of the values lie in each of `bins` equal steps between the smallest and the largest."""
    low, high = min(values), max(values)
    if not high > low:
        return [len(values) if i == bins // 2 else 0 for i in range(bins)]
    with np.errstate(all="ignore"):
        step = (np.asarray(values, float) - low) / (high - low)
    at = np.clip((np.nan_to_num(step) * bins).astype(int), 0, bins - 1)
    return [int(n) for n in np.bincount(at, minlength=bins)]
