"""Images of two states of a generator from the same noises: the pair, who won, and what changed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from drpo.types import Sample
from rankkit import Group, Ranking
from rankkit.plugin import clustered_mean


def duels(after: Sample, before: Sample, metadata: Mapping[str, Any] | None = None) -> list[Group]:
    """One group of two per noise, with the prompt's metadata: the trained image first, the base's second."""
    pairs = enumerate(zip(after.images(), before.images(), strict=True))
    return [Group(after.prompt, pair, id=f"duel/{at}", metadata=metadata or {}) for at, pair in pairs]


def outcome(ranking: Ranking) -> float:
    """1 when the trained image won, 0.5 for a tie, 0 when it lost, NaN when either abstained."""
    after, before = ranking.scores
    return math.nan if math.isnan(after + before) else 0.5 * ((after > before) + (after >= before))


def change(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], *, level: float = 0.95
) -> int:
    """1 where figures per prompt and noise rose, -1 where they fell, 0 where neither can be told.

    It is told by the interval of the mean paired difference, over prompts (over noises, if there is one
    prompt), of the images that both have a figure of.
    """
    pairs = [list(zip(*prompt, strict=False)) for prompt in zip(before, after, strict=False)]
    known = [
        (place if len(pairs) > 1 else noise, late - early)
        for place, prompt in enumerate(pairs)
        for noise, (early, late) in enumerate(prompt)
        if not math.isnan(late - early)
    ]
    clusters, differences = zip(*known, strict=True) if known else ((), ())
    low, high = clustered_mean(differences, clusters).interval(level=level)
    return (low > 0) - (high < 0)
