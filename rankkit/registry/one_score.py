"""A ranker that images do not matter to, noticed while it ranks: `rankkit check` finds out why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from rankkit.core.images import content_hash
from rankkit.core.types import Group, Ranking

ENOUGH = 32  # different images that got one score before anything is said
SPREAD = 1e-6  # of the largest score: below it scores are one score


@dataclass
class _Seen:
    """What one ranker has said so far."""

    images: set[str] = field(default_factory=set)
    low: float = math.inf
    high: float = -math.inf
    spread: float = 0.0
    settled: bool = False


class OneScoreWatch:
    """Says once of each ranker that it gave one score to every image, after `ENOUGH` different ones.

    Pointwise scores are held against all before, others against their group alone. Abstentions, and groups
    without two different images, tell nothing.
    """

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._seen: dict[str, _Seen] = {}

    def groups(self, ranker: str, groups: Sequence[Group], rankings: Iterable[Ranking]) -> None:
        """Take in what a ranker said of some groups."""
        for group, ranking in zip(groups, rankings, strict=False):
            self.scores(ranker, ranking.kind, ranking.scores, partial(map, content_hash, group.images))

    def scores(
        self,
        ranker: str,
        kind: str,
        scores: Sequence[float | None],
        digests: Callable[[], Iterable[str]],
    ) -> None:
        """Take in the scores of one group, None or NaN where the ranker abstained, and its images' digests.

        These are computed only while they matter.
        """
        seen = self._seen.setdefault(ranker, _Seen())
        if seen.settled:
            return
        known = {
            digest: score
            for digest, score in zip(digests(), scores, strict=True)
            if score is not None and not math.isnan(score)
        }
        if not known or (kind != "pointwise" and len(known) < 2):
            return
        low, high = min(known.values()), max(known.values())
        seen.low, seen.high = min(seen.low, low), max(seen.high, high)
        seen.spread = seen.high - seen.low if kind == "pointwise" else max(seen.spread, high - low)
        # utilities are in logits
        size = max(abs(seen.low), abs(seen.high), 1.0 if kind == "pairwise" else 0.0)
        seen.images.update(known)
        if seen.spread > SPREAD * size:
            seen.settled = True
        elif len(seen.images) >= ENOUGH:
            seen.settled = True
            self._say(
                f"warning: {ranker} {_what(kind, seen)}; rankkit check tells whether images matter to it"
            )


def _what(kind: str, seen: _Seen) -> str:
    images = f"{len(seen.images)} different images"
    if kind == "pointwise":
        return f"gave one score, {seen.high:.6g}, to the first {images}"
    if kind == "pairwise":
        return f"preferred none of the first {images}: P(first is better) was the same whichever was first"
    return f"gave the images of each group one score, the first {images} over"
