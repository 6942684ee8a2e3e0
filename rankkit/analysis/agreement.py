"""What is kept of rankings held against human choices: numbers, no images."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Literal

from rankkit.analysis import stats
from rankkit.core.types import Group, Ranking
from rankkit.io.preferences import Preference

Ties = Literal["half", "wrong", "drop"]

SHOWN = 20  # unreadable images that are kept by name; all are counted
REASONS = 50  # different reasons to abstain that are kept per ranker; the rest is counted together
HUMANS = "(humans)"


@dataclass(frozen=True, slots=True)
class Agreement:
    """One ranker's pairwise accuracy with its 95 % interval.

    The interval is `rankkit.analysis.stats.win_interval`, clustered by prompt.

    `pairs` is what the accuracy rests on, `ties` how many pairs got equal scores, `abstained` how many
    readable pairs got no score for one of their images, with `reasons` counted. `p_value` is two-sided,
    against ½. Accuracy is NaN without pairs.
    """

    ranker: str
    accuracy: float
    low: float
    high: float
    p_value: float
    pairs: int
    prompts: int
    ties: int
    abstained: int
    reasons: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Kendall:
    """Mean tau-b of two rankers: within groups, then over the groups of a prompt, then over prompts.

    NaN where no group has one.
    """

    first: str
    second: str
    tau: float
    groups: int
    prompts: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An image that could not be ranked: the entry, its name there, and why."""

    where: str
    image: str
    reason: str


@dataclass
class RankedEntry:
    """One entry, its readable images as a group in the order shown, and what the rankers said of it."""

    entry: Preference
    places: list[int]  # image of the group -> image of the entry
    faults: dict[int, str]
    group: Group | None
    verdicts: dict[str, Ranking] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        """What a ranker that needs a prompt can use: empty when there is nothing but space."""
        return self.entry.prompt.strip()

    @property
    def size(self) -> int:
        """How many images it holds."""
        return len(self.places) if self.group else 0


@dataclass
class _Score:
    """One ranker's outcomes so far: a value per pair and its cluster."""

    values: array[float] = field(default_factory=lambda: array("d"))
    clusters: array[int] = field(default_factory=lambda: array("q"))
    ties: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def abstain(self, reason: str) -> None:
        known = reason in self.reasons or len(self.reasons) < REASONS
        self.reasons[reason if known else "other reasons"] += 1


class Tally:
    """Counts won pairs, ties, abstentions and rank correlations of every ranker, entry by entry.

    `humans` says whether their choices are rankings, to be correlated like a ranker's.
    """

    def __init__(self, needs_prompt: Mapping[str, bool], ties: Ties, *, humans: bool) -> None:
        self.needs_prompt, self.ties = needs_prompt, ties
        self.scores = {name: _Score() for name in needs_prompt}
        names = [*needs_prompt, *([HUMANS] if humans else [])]
        self.taus: dict[tuple[str, str], dict[int, tuple[float, int]]] = {
            pair: {} for pair in combinations_with_replacement(names, 2)
        }
        self.clusters: dict[bytes, int] = {}
        self.unreadable: list[Unreadable] = []
        self.unreadable_images = self.unreadable_pairs = 0

    def add(self, ranked: RankedEntry) -> None:
        """Count one entry for every ranker."""
        entry = ranked.entry
        cluster = self.clusters.setdefault(cluster_of(entry), len(self.clusters))
        for i, reason in ranked.faults.items():
            self.unreadable_images += 1
            if len(self.unreadable) < SHOWN:
                self.unreadable.append(Unreadable(entry.where, entry.names[i], reason))
        pairs = list(entry.decided())
        seen = [(i, j) for i, j in pairs if i not in ranked.faults and j not in ranked.faults]
        self.unreadable_pairs += len(pairs) - len(seen)
        if ranked.group is None:
            return
        columns: dict[str, list[float]] = {HUMANS: [entry.human[i] for i in ranked.places]}
        for name in self.scores:
            columns[name] = self._score(name, ranked, seen, cluster)
        self._correlate(columns, cluster)

    def _score(
        self, name: str, ranked: RankedEntry, pairs: list[tuple[int, int]], cluster: int
    ) -> list[float]:
        kept, ranking = self.scores[name], ranked.verdicts.get(name)
        scores = list(ranking.scores) if ranking else [math.nan] * len(ranked.places)
        place = {i: k for k, i in enumerate(ranked.places)}
        for better, worse in pairs:
            won, lost = scores[place[better]], scores[place[worse]]
            if math.isnan(won) or math.isnan(lost):
                kept.abstain(_reason(ranking, place[better] if math.isnan(won) else place[worse]))
                continue
            kept.ties += won == lost
            if won != lost or self.ties != "drop":
                kept.values.append(float(won > lost) if won != lost or self.ties == "wrong" else 0.5)
                kept.clusters.append(cluster)
        return scores

    def _correlate(self, columns: Mapping[str, list[float]], cluster: int) -> None:
        for (first, second), found in self.taus.items():
            tau = stats.kendall_tau_b(columns[first], columns[second])
            if not math.isnan(tau):
                total, groups = found.get(cluster, (0.0, 0))
                found[cluster] = total + tau, groups + 1

    def agreements(self) -> tuple[Agreement, ...]:
        """What each ranker achieved, in the order they were given."""
        return tuple(_agreement(name, kept) for name, kept in self.scores.items())

    def correlations(self) -> tuple[Kendall, ...]:
        """Every two rankers, each with itself too.

        The humans are one of them where they ranked more than two images.
        """
        return tuple(_kendall(pair, found) for pair, found in self.taus.items())


def _reason(ranking: Ranking | None, place: int) -> str:
    if ranking is None:
        return "the ranker needs a prompt, and the entry has none"
    return ranking.reason(place) or "the ranker gave no reason"


def _agreement(name: str, kept: _Score) -> Agreement:
    rate = stats.win_interval(kept.values, kept.clusters)
    abstained = sum(kept.reasons.values())
    return Agreement(
        name,
        rate.rate,
        rate.low,
        rate.high,
        rate.p_value,
        rate.values,
        rate.clusters,
        kept.ties,
        abstained,
        dict(kept.reasons.most_common()),
    )


def _kendall(pair: tuple[str, str], found: Mapping[int, tuple[float, int]]) -> Kendall:
    means = [total / groups for total, groups in found.values()]
    tau = math.fsum(means) / len(means) if means else math.nan
    return Kendall(*pair, tau, sum(groups for _, groups in found.values()), len(means))


def cluster_of(entry: Preference) -> bytes:
    """Which cluster an entry belongs to: that of its prompt; without a prompt, its own."""
    text = f"prompt {entry.prompt}" if entry.prompt.strip() else f"place {entry.where}"
    return hashlib.sha256(text.encode()).digest()[:12]
