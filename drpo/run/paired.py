"""A trained image against the base's from the same noise: the pair, and who won."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from drpo.types import Sample
from rankkit import Group, Ranking


def duels(after: Sample, before: Sample, metadata: Mapping[str, Any] | None = None) -> list[Group]:
    """One group of two per noise, with the prompt's metadata: the trained image first, the base's second."""
    pairs = enumerate(zip(after.images(), before.images(), strict=True))
    return [Group(after.prompt, pair, id=f"duel/{at}", metadata=metadata or {}) for at, pair in pairs]


def outcome(ranking: Ranking) -> float:
    """1 when the trained image won, 0.5 for a tie, 0 when it lost, NaN when either abstained."""
    after, before = ranking.scores
    return math.nan if math.isnan(after + before) else 0.5 * ((after > before) + (after >= before))
