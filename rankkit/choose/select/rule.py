"""How many are chosen of each part, and which: the best first, ties by name, never one that abstained."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from rankkit.choose.select.candidates import Candidate, Pool
from rankkit.core.types import ranks
from rankkit.errors import UsageError


@dataclass(frozen=True, slots=True)
class Rule:
    """The best `top`, the best `share` of those with a score (rounded up), or all above or below a score."""

    top: int | None = None
    share: float | None = None
    above: float | None = None
    below: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("top", "share", "above", "below") if getattr(self, name) is not None]
        if len(given) != 1:
            said = " and ".join(f"--{name}" for name in given) or "none"
            raise UsageError(f"give exactly one of --top, --share, --above and --below, not {said}")
        if self.top is not None and self.top < 1:
            raise UsageError(f"--top is {self.top}; it is at least 1")
        if self.share is not None and not 0 < self.share <= 1:
            raise UsageError(
                f"--share is {self.share:g}; it is above 0 and at most 1 (0.1 is the best tenth)"
            )
        if any(bound is not None and math.isnan(bound) for bound in (self.above, self.below)):
            raise UsageError(f"--{given[0]} is not a number")

    def admits(self, score: float) -> bool:
        """Whether a score is above or below the bound; any is where there is none."""
        if self.above is not None:
            return score > self.above
        return self.below is None or score < self.below

    def room(self, scored: int) -> int:
        """How many of a part's scored images may be chosen."""
        if self.share is not None:
            return math.ceil(round(self.share * scored, 9))
        return scored if self.top is None else self.top


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate that was chosen, with its rank among the scored ones of its part (ties share theirs)."""

    candidate: Candidate
    rank: float
    of: int

    @property
    def stars(self) -> int:
        """1 to 5 by the fifth of its part in which it ranks; 5 is the best."""
        return 1 + int(5 * (self.of - self.rank + 0.5) / self.of)


@dataclass
class Selection:
    """What was chosen, and what is to be said of it.

    `ties`: of each part whose last place was shared, how many of equal score were left out by their names.
    `near` images were left out because they nearly equal a better one; `reasons` are those of abstentions.
    """

    pool: Pool
    chosen: list[Chosen] = field(default_factory=list)
    scored: int = 0
    abstained: int = 0
    near: int = 0
    ties: dict[str, int] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def images(self) -> int:
        """How many candidates there were."""
        return self.scored + self.abstained


# of each candidate of a part, best first, whether it nearly equals one before that does not
AreNear = Callable[[Sequence[Candidate]], Iterator[bool]]


def select(pool: Pool, rule: Rule, are_near: AreNear | None = None) -> Selection:
    """Choose from each part by (score, name), the best first; an image that abstained is never chosen.

    What `are_near` finds near a better image is passed over for the next; it is asked no further than needed.
    Raises `UsageError` for a bound on scores that have no common scale.
    """
    if (rule.above is not None or rule.below is not None) and not pool.scale:
        names = ", ".join(column.label for column, _ in pool.members)
        why = (
            "mean ranks have no scale" if len(pool.members) > 1 else "its scores are relative to their group"
        )
        raise UsageError(f"--above and --below compare scores, and of {names} {why}; give --top or --share")
    found = Selection(pool)
    for name, part in pool.parts.items():
        silent = [candidate for candidate in part if math.isnan(candidate.score)]
        found.abstained += len(silent)
        found.reasons.update(candidate.reason for candidate in silent)
        order = ordered(part)
        found.scored += len(order)
        places = ranks([candidate.score for candidate in order])
        ranked = [Chosen(each, place, len(order)) for each, place in zip(order, places, strict=True)]
        _choose(found, name, ranked, rule, are_near)
    return found


def ordered(part: Sequence[Candidate]) -> list[Candidate]:
    """Those with a score: the highest first, equals by name."""
    scored = [candidate for candidate in part if not math.isnan(candidate.score)]
    return sorted(scored, key=lambda candidate: (-candidate.score, candidate.image))


def _choose(found: Selection, name: str, ranked: list[Chosen], rule: Rule, are_near: AreNear | None) -> None:
    room = rule.room(len(ranked))
    fit = [each for each in ranked if rule.admits(each.candidate.score)]
    near = are_near([each.candidate for each in fit]) if are_near else repeat(False)
    for at, each in enumerate(fit):
        if next(near):
            found.near += 1
            continue
        found.chosen.append(each)
        room -= 1
        if not room:
            equal = sum(other.candidate.score == each.candidate.score for other in fit[at + 1 :])
            if equal:
                found.ties[name] = equal
            return
