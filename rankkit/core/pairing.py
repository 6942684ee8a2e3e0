"""One group compared pair by pair: which calls to make, and what the answers add up to."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from rankkit.core import aggregate
from rankkit.core.calling import scored
from rankkit.core.types import Group, Ranking

TIE_BAND = (
    0.05  # reports call a pair a tie where P(i better) is this near to one half; utilities use P itself
)
APART = "failed comparisons left this image in a part of the group that never met the rest, so its score cannot be put beside theirs"


@dataclass
class Match:
    """One group being compared: its distinct images in an order of their own, and what was said of each pair.
    """

    group: Group
    degree: int
    images: list[Image.Image] = field(init=False)
    places: list[int] = field(init=False)  # group image -> distinct image
    calls: list[tuple[int, int]] = field(init=False)
    said: dict[tuple[int, int], float] = field(default_factory=dict)
    failures: dict[int, str] = field(default_factory=dict)  # the last reason by distinct image
    failed: list[tuple[int, int, str]] = field(
        default_factory=list
    )  # calls without an answer, and the kind of failure
    tokens: int = 0

    def __post_init__(self) -> None:
        keys = [_content(image) for image in self.group.images]
        distinct = sorted(
            set(keys)
        )  # by content: the order of the group cannot matter, and an image never meets itself
        self.places = [distinct.index(key) for key in keys]
        self.images = [self.group.images[keys.index(key)] for key in distinct]
        seed = int.from_bytes(hashlib.sha256("".join(distinct).encode()).digest()[:8], "big")
        pairs = aggregate.schedule(len(distinct), seed=seed, degree=self.degree)
        self.calls = [seat for i, j in pairs for seat in ((i, j), (j, i))]

    def record(self, i: int, j: int, answer: object) -> None:
        """Take in what was said when i was shown first and j second."""
        verdict = scored(answer)
        self.tokens += int(verdict.details.get("tokens", 0))
        if 0 <= verdict.score <= 1:
            self.said[i, j] = verdict.score
        else:
            self.failed.append((i, j, str(verdict.details.get("failure", "failed"))))
            reason = verdict.details.get(
                "error", f"the comparison gave {verdict.score}, which is not a probability"
            )
            self.failures[i] = self.failures[j] = str(reason)

    def bridge(self) -> list[tuple[int, int]]:
        """Calls to make besides, added to `calls`, where failures have left parts that never met: one new
        pair to join each to the largest.

        An image of which every call failed is a part of its own and is left alone.
        """
        largest, *others = [part for part in self._parts() if len(part) > 1] or [[]]
        asked = set(self.calls)
        joins = [
            next((pair for pair in itertools.product(largest, part) if pair not in asked), None)
            for part in others
        ]
        calls = [seat for i, j in filter(None, joins) for seat in ((i, j), (j, i))]
        self.calls += calls
        return calls

    def ranking(self, prior: float) -> Ranking:
        """Bradley–Terry utilities of the group's images, with evidence. An image left without a comparison
        abstains.

        So do those whose comparisons do not join them to the largest part of the group, and all where no part
        is the largest.
        """
        n = len(self.images)
        W = aggregate.wins(n, self._outcomes)
        theta, stderr = aggregate.bradley_terry(W, prior=prior)
        rate = aggregate.borda(W)
        judge = self._diagnostics()
        met = Counter(k for i, j, _, _ in self._outcomes for k in (i, j))
        ranked = self._ranked()
        details: list[dict[str, Any]] = []
        for k in range(n):
            found: dict[str, Any] = {
                "win_rate": float(rate[k]) if met[k] else None,
                "comparisons": met[k],
                "judge": judge,
            }
            kinds = Counter(kind for i, j, kind in self.failed if k in (i, j))
            if kinds:
                found["failed_calls"] = dict(kinds)
            if k not in ranked:
                found["error"] = (
                    APART if met[k] else self.failures.get(k, "no comparison of this image succeeded")
                )
            details.append(found)
        scores = [float(theta[k]) if k in ranked else math.nan for k in range(n)]
        return Ranking(
            tuple(scores[k] for k in self.places),
            "pairwise",
            tuple(float(stderr[k]) if k in ranked else math.nan for k in self.places),
            tuple(details[k] for k in self.places),
        )

    def _ranked(self) -> set[int]:
        """The images whose scores can be put side by side."""
        largest, *others = self._parts() or [[]]
        alone = len(largest) == 1 and len(self.images) > 1
        return set() if alone or (others and len(others[0]) == len(largest)) else set(largest)

    def _parts(self) -> list[list[int]]:
        return aggregate.parts(len(self.images), [(i, j) for i, j, _, _ in self._outcomes])

    @property
    def _both(self) -> dict[tuple[int, int], tuple[float, float]]:
        """(P(i beats j), liking for the first seat) of the pairs i < j that were answered in both seats."""
        return {
            (i, j): aggregate.both_seats(p, 1 - self.said[j, i])
            for (i, j), p in self.said.items()
            if i < j and (j, i) in self.said
        }

    @property
    def _outcomes(self) -> list[tuple[int, int, float, float]]:
        """(i, j, P(i beats j), weight in calls) of every pair that counts.

        Of a pair answered in one seat only, the group's usual liking for a seat is taken off, and it counts
        half; where no pair tells what is usual, it does not count: the seat could have decided it.
        """
        both = self._both
        found = [(i, j, p, 2.0) for (i, j), (p, _) in both.items()]
        bias = aggregate.median([b for _, b in both.values()])
        single = {pair: p for pair, p in self.said.items() if pair[::-1] not in self.said} if both else {}
        return found + [
            (i, j, aggregate.sigmoid(aggregate.logit(p) - bias), 1.0) for (i, j), p in single.items()
        ]

    def _diagnostics(self) -> dict[str, Any]:
        both, outcomes, n = self._both, self._outcomes, len(self.images)
        agreed = [(self.said[pair] - 0.5) * (0.5 - self.said[pair[::-1]]) >= 0 for pair in both]
        kinds = Counter(kind for _, _, kind in self.failed)
        return {
            "calls": len(self.calls),
            "failed_calls": len(self.failed),
            "pairs": len(both),
            "swap_consistency": sum(agreed) / len(agreed) if agreed else None,
            "position_bias": sum(b for _, b in both.values()) / len(both) if both else None,
            "connected": len(self._parts()) <= 1,
            "ties": sum(abs(p - 0.5) <= TIE_BAND for p, _ in both.values()),
            **aggregate.triads(n, {(i, j): p for i, j, p, _ in outcomes}),
            **(
                {"failures": dict(kinds), "degraded": 5 * len(self.failed) > len(self.calls)} if kinds else {}
            ),
            **({"tokens": self.tokens} if self.tokens else {}),
        }


def _content(image: Image.Image) -> str:
    return hashlib.sha256(f"{image.mode}{image.size}".encode() + image.tobytes()).hexdigest()
