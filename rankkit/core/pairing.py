"""One group compared pair by pair: which calls to make, and what the answers add up to."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from rankkit.core import aggregate
from rankkit.core.binding import scored
from rankkit.core.images import content_hash
from rankkit.core.types import Group, Held, HeldImages, Ranking

# Reports call a pair a tie where P(i better) is this near to one half; utilities use P itself.
TIE_BAND = 0.05
APART = (
    "failed comparisons left this image in a part of the group that never met the rest, so its score "
    "cannot be put beside theirs"
)

OrderedPair = tuple[int, int]
"""Two images, by their number: the first and the second shown in a call."""


class Comparisons:
    """The comparisons of one group.

    Its distinct images in an order of their own, the calls to make, and the answers so far.

    Images are distinct by content: the order of the group cannot matter, and an image never meets itself.
    """

    def __init__(self, group: Group, degree: int) -> None:
        self.held = group.images.held if isinstance(group.images, HeldImages) else None
        keys = [one.content for one in self.held] if self.held else list(map(content_hash, group.images))
        distinct = sorted(set(keys))
        seed = int.from_bytes(hashlib.sha256("".join(distinct).encode()).digest()[:8], "big")
        number = {key: k for k, key in enumerate(distinct)}
        self.group = group
        self.places = [number[key] for key in keys]  # image of the group -> distinct image
        # and back, to the first of equals
        self.shown = {k: i for i, k in reversed(list(enumerate(self.places)))}
        self.calls = _both_orders(aggregate.schedule(len(distinct), seed=seed, degree=degree))
        self.answers: dict[OrderedPair, float] = {}  # P(first is better)
        self.failed: list[tuple[OrderedPair, str]] = []  # calls without an answer, and the kind of failure
        self.reasons: dict[int, str] = {}  # the last failure of a distinct image, in words
        self.tokens = 0
        self.repeats: list[bool] = []  # of each call that was made twice, whether both answers agree

    @property
    def count(self) -> int:
        """How many distinct images there are."""
        return len(self.shown)

    def held_image(self, k: int) -> Held | None:
        """How to have a distinct image that is not in memory; None for one that is."""
        return None if self.held is None else self.held[self.shown[k]]

    def image(self, k: int) -> Image.Image:
        """A distinct image."""
        return self.group.images[self.shown[k]]

    def record(self, first: int, second: int, answer: object) -> None:
        """Take in the answer of the call that showed `first` before `second`."""
        said = scored(answer)
        tokens = said.details.get("tokens")
        self.tokens += tokens if isinstance(tokens, int) else 0
        if 0 <= said.score <= 1:
            self.answers[first, second] = said.score
            again = said.details.get("again")
            if isinstance(again, (int, float)) and 0 <= again <= 1:
                self.repeats.append((said.score - 0.5) * (again - 0.5) >= 0)
            return
        self.failed.append(((first, second), str(said.details.get("failure", "failed"))))
        no_probability = f"the comparison gave {said.score}, which is not a probability"
        self.reasons[first] = self.reasons[second] = str(said.details.get("error", no_probability))

    def bridge(self) -> list[OrderedPair]:
        """Further calls, added to `calls`, where failures have left parts that never met.

        One new pair joins each to the largest.

        An image of which every call failed is a part of its own and is left alone.
        """
        parts = [part for part in Outcomes.of(self.answers, self.count).parts if len(part) > 1]
        largest, *others = parts or [[]]
        asked = set(self.calls)
        joins = [
            next((pair for pair in itertools.product(largest, part) if pair not in asked), None)
            for part in others
        ]
        calls = _both_orders([pair for pair in joins if pair is not None])
        self.calls += calls
        return calls

    def ranking(self, prior: float) -> Ranking:
        """Bradley–Terry utilities of the group's images, with evidence.

        An image left without a comparison abstains.

        So do those whose comparisons do not join them to the largest part of the group, and all where no part
        is the largest.
        """
        outcomes = Outcomes.of(self.answers, self.count)
        W = aggregate.wins(self.count, outcomes.counted)
        theta, stderr = aggregate.bradley_terry(W, prior=prior)
        details = self._details(outcomes, [float(rate) for rate in aggregate.borda(W)])
        scores = [float(theta[k]) if k in outcomes.comparable else math.nan for k in range(self.count)]
        errors = [float(stderr[k]) if k in outcomes.comparable else math.nan for k in range(self.count)]
        return Ranking(
            tuple(scores[k] for k in self.places),
            "pairwise",
            tuple(errors[k] for k in self.places),
            tuple(details[k] for k in self.places),
        )

    def _details(self, outcomes: Outcomes, win_rates: Sequence[float]) -> list[dict[str, Any]]:
        """The evidence of each distinct image.

        Win rate, comparisons, failed calls, why it abstains, and the diagnostics of the whole group.
        """
        diagnostics = self._diagnostics(outcomes)
        met = Counter(k for i, j, _, _ in outcomes.counted for k in (i, j))
        found: list[dict[str, Any]] = []
        for k, win_rate in enumerate(win_rates):
            details: dict[str, Any] = {
                "win_rate": win_rate if met[k] else None,
                "comparisons": met[k],
                "judge": diagnostics,
            }
            failures = Counter(kind for pair, kind in self.failed if k in pair)
            if failures:
                details["failed_calls"] = dict(failures)
            if k not in outcomes.comparable:
                alone = self.reasons.get(k, "no comparison of this image succeeded")
                details["error"] = APART if met[k] else alone
            found.append(details)
        return found

    def _diagnostics(self, outcomes: Outcomes) -> dict[str, Any]:
        """How the judge did over the whole group.

        Consistency, position bias, ties, cycles, failures, tokens.
        """
        both = outcomes.both
        agreed = [(self.answers[i, j] - 0.5) * (0.5 - self.answers[j, i]) >= 0 for i, j in both]
        found = {
            "calls": len(self.calls),
            "failed_calls": len(self.failed),
            "pairs": len(both),
            "swap_consistency": sum(agreed) / len(agreed) if agreed else None,
            "position_bias": sum(bias for _, bias in both.values()) / len(both) if both else None,
            "connected": len(outcomes.parts) <= 1,
            "ties": sum(abs(p - 0.5) <= TIE_BAND for p, _ in both.values()),
            **aggregate.triads(self.count, {(i, j): p for i, j, p, _ in outcomes.counted}),
        }
        if self.failed:
            found["failures"] = dict(Counter(kind for _, kind in self.failed))
            found["degraded"] = 5 * len(self.failed) > len(self.calls)
        if self.repeats:
            found["repeats"] = len(self.repeats)
            found["repeat_consistency"] = sum(self.repeats) / len(self.repeats)
        if self.tokens:
            found["tokens"] = self.tokens
        return found


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What the answers of a group come to.

    `both`: (P(i better), position bias in logits) of the pairs i < j that were answered in both orders.
    `counted`: (i, j, P(i better), weight in calls) of every pair that counts. `parts`: the images joined by
    those pairs, largest part first. `comparable`: the images whose scores can be put side by side.
    """

    both: dict[OrderedPair, tuple[float, float]]
    counted: list[tuple[int, int, float, float]]
    parts: list[list[int]]
    comparable: frozenset[int]

    @classmethod
    def of(cls, answers: dict[OrderedPair, float], count: int) -> Outcomes:
        """Of a pair answered in one order only, the group's usual position bias is taken off, and it counts
        half.

        Where no pair was answered in both orders, nothing tells what is usual, and it does not count: the
        position could have decided it.
        """
        both = {
            (i, j): aggregate.both_orders(p, 1 - answers[j, i])
            for (i, j), p in answers.items()
            if i < j and (j, i) in answers
        }
        counted = [(i, j, p, 2.0) for (i, j), (p, _) in both.items()]
        if both:
            usual = aggregate.median([bias for _, bias in both.values()])
            single = {(i, j): p for (i, j), p in answers.items() if (j, i) not in answers}
            counted += [
                (i, j, aggregate.sigmoid(aggregate.logit(p) - usual), 1.0) for (i, j), p in single.items()
            ]
        parts = aggregate.parts(count, [(i, j) for i, j, _, _ in counted])
        return cls(both, counted, parts, frozenset(_comparable(parts, count)))


def _comparable(parts: Sequence[Sequence[int]], count: int) -> Sequence[int]:
    """The largest part, if one is the largest and it is more than an image that met nobody."""
    largest, *others = parts or [[]]
    nobody_met = len(largest) == 1 and count > 1
    no_largest = bool(others) and len(others[0]) == len(largest)
    return [] if nobody_met or no_largest else largest


def _both_orders(pairs: Sequence[OrderedPair]) -> list[OrderedPair]:
    return [shown for i, j in pairs for shown in ((i, j), (j, i))]
