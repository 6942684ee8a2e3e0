"""What a check sees: one ranker, what it is asked to rank, and its rankings.

Every call gets fresh copies of the groups: one failure does not look like another.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rankkit.core.binding import describe
from rankkit.core.calling import check_rankings
from rankkit.core.stated import kind_of
from rankkit.core.types import Group, Ranker, Ranking
from rankkit.errors import RankkitError

Reload = Callable[..., object]


class Unexpected(Exception):
    """What was observed instead of what every ranker must do."""


@dataclass
class CheckContext:
    """One ranker, what it is asked to rank, and its rankings.

    rank() is called when a ranking is first needed.
    """

    ranker: Ranker
    groups: list[Group]
    reload: Reload | None
    tolerance: float

    @cached_property
    def together(self) -> list[Ranking]:
        """The rankings of all groups in one call."""
        return self.rankings(self.groups, "the sample groups")

    @cached_property
    def alone(self) -> list[Ranking]:
        """The rankings of all groups, one call each."""
        return [self.ask([group], f"group {group.id!r} alone")[0] for group in self.groups]

    @cached_property
    def subject(self) -> Group:
        """A group with something to order."""
        return next(group for group in self.groups if len(group.images) > 1)

    @property
    def pointwise(self) -> bool:
        """Whether the ranker, or any ranking of its, says that it scores image by image."""
        return "pointwise" in {
            kind_of(self.ranker),
            *(ranking.kind for ranking in self.together),
        }

    def ask(self, groups: Sequence[Group], given: str) -> list[Ranking]:
        """Rank copies of these groups, `given` in words, and insist that abstentions come with reasons."""
        rankings = self.rankings(groups, given)
        need_reasons(rankings, given)
        return rankings

    def rankings(self, groups: Sequence[Group], given: str) -> list[Ranking]:
        """Rank copies of these groups, and insist on one ranking each with one score per image."""
        try:
            answer = self.ranker.rank([copy_of(group) for group in groups])
        except (Exception, SystemExit) as error:
            raise Unexpected(f"given {given}, rank() raised {describe(error)}") from error
        try:
            return check_rankings(answer, groups, "it")
        except RankkitError as error:
            raise Unexpected(f"given {given}, {str(error).partition(';')[0]}") from error

    def need_same(self, expected: Sequence[float], got: Sequence[float], what: str) -> None:
        """Scores agree to `tolerance` of their spread, and of what float32 resolves at their size.

        Abstentions agree exactly.
        """
        known = [score for score in expected if not math.isnan(score)] or [0.0]
        allowed = self.tolerance * (max(known) - min(known) + max(map(abs, known)) / 10)
        for i, (a, b) in enumerate(zip(expected, got, strict=True)):
            if math.isnan(a) != math.isnan(b) or abs(a - b) > allowed:
                raise Unexpected(
                    f"{what}, image {i} scored {a!r} and then {b!r} (allowed is a difference "
                    f"of {allowed:.2g})"
                )


def need_reasons(rankings: Sequence[Ranking], given: str = "the sample groups") -> None:
    """Raise `Unexpected` where a score is NaN and no text says why."""
    for ranking in rankings:
        for i, score in enumerate(ranking.scores):
            reason = ranking.details[i].get("error") if ranking.details else None
            if math.isnan(score) and not (isinstance(reason, str) and reason):
                raise Unexpected(f"given {given}, score {i} is NaN and its error is {reason!r}")


def copy_of(group: Group) -> Group:
    """The group with images and metadata of its own."""
    return replace(
        group,
        images=tuple(image.copy() for image in group.images),
        metadata=copy.deepcopy(dict(group.metadata)),
    )
