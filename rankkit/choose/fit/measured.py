"""Labels with the features of their images: what a taste is fitted to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rankkit.analysis.stats import Rate, win_interval
from rankkit.choose.fit.basic import Floats
from rankkit.choose.fit.collect import Collector
from rankkit.choose.fit.features import Part
from rankkit.choose.fit.labels import Choice
from rankkit.choose.fit.taste import PartOf


@dataclass(frozen=True, slots=True)
class Answered:
    """What was said of two items by number: `share` is 1 for the first, 0 for the second, ½ for a tie."""

    first: int
    second: int
    share: float
    who: str


@dataclass(frozen=True)
class Measured:
    """Answers about items, (sha256, prompt) each, with a matrix of features (items, size) of each part.

    `faults` say by image why it was left out, and `left_out` how many answers were with them; `unread` of
    these answers are about an image that cannot be read, the others about one without some feature.
    """

    parts: Sequence[Part]
    matrices: Sequence[Floats]
    items: Sequence[tuple[str, str]]
    answers: Sequence[Answered]
    faults: dict[str, str]
    left_out: int
    unread: int
    computed: int

    @property
    def ties(self) -> int:
        """How many answers are ties."""
        return sum(each.share == 0.5 for each in self.answers)

    @property
    def share(self) -> Floats:
        """What was said, (answers,)."""
        return np.array([each.share for each in self.answers])

    @property
    def names(self) -> list[str]:
        """What the features are called."""
        both = zip(self.parts, self.matrices, strict=True)
        return [name for part, matrix in both for name in part.names(matrix.shape[1])]

    @property
    def kinds(self) -> list[str]:
        """Of each feature the kind of its part."""
        both = zip(self.parts, self.matrices, strict=True)
        return [part.kind for part, matrix in both for _ in range(matrix.shape[1])]

    @property
    def made_of(self) -> tuple[PartOf, ...]:
        """The parts as a taste keeps them."""
        return tuple(
            PartOf(part.spec, part.kind, part.identity, part.needs_prompt, matrix.shape[1])
            for part, matrix in zip(self.parts, self.matrices, strict=True)
        )

    def numbered(self, column: int) -> NDArray[np.int64]:
        """Of each item the number of its image (column 0), or of its prompt (1)."""
        values = [item[column] for item in self.items]
        numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
        return np.array([numbers[value] for value in values], dtype=np.int64)

    def between_people(self) -> Rate | None:
        """How often two people who both chose between the same images chose the same; None without any."""
        chosen: dict[tuple[int, int], dict[str, bool]] = {}
        for each in self.answers:
            if each.who and each.share != 0.5:
                pair = min(each.first, each.second), max(each.first, each.second)
                chosen.setdefault(pair, {})[each.who] = (each.first < each.second) == (each.share == 1)
        alike: list[float] = []
        clusters: list[int] = []
        for number, said in enumerate(chosen.values()):
            votes = list(said.values())
            alike += [float(a == b) for i, a in enumerate(votes) for b in votes[i + 1 :]]
            clusters += [number] * (len(alike) - len(clusters))
        return win_interval(alike, clusters) if alike else None


def measure(choices: Iterator[Choice], collector: Collector) -> Measured:
    """The choices whose images have all features. Raises `OSError` where the cache cannot be written."""
    placed, unplaced = _placed(choices, collector)
    matrices = collector.finish()
    whole = np.logical_not(np.isnan(np.concatenate(matrices, 1)).any(axis=1)).tolist()
    kept = [each for each in placed if whole[each.first] and whole[each.second]]
    used = sorted({item for each in kept for item in (each.first, each.second)})
    number = {item: new for new, item in enumerate(used)}
    return Measured(
        collector.parts,
        [matrix[used] for matrix in matrices],
        [collector.items[item] for item in used],
        [Answered(number[each.first], number[each.second], each.share, each.who) for each in kept],
        collector.faults,
        len(placed) - len(kept) + unplaced,
        unplaced,
        collector.computed,
    )


def _placed(choices: Iterator[Choice], collector: Collector) -> tuple[list[Answered], int]:
    """The answers by items, and how many are about an image that cannot be used."""
    placed, unplaced = [], 0
    for choice in choices:
        first, second = (
            collector.place(choice.prompt, name, choice.file.data(stored))
            for name, stored in zip(choice.names, choice.stored, strict=True)
        )
        if first is None or second is None:
            unplaced += 1
        elif first != second:  # an image against a copy of itself says nothing
            placed.append(Answered(first, second, choice.share, choice.who))
    return placed, unplaced
