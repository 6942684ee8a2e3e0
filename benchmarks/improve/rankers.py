"""Other rankers of the shapes world, for changes that need one."""

from __future__ import annotations

from collections.abc import Sequence

from drpo.shapes.detector import Shapes
from rankkit import Group, Ranking


class Easing:
    """The detector's graded order, in which right images are equals once half of their group are right.

    While few are right, how clean they are says which to follow; when most are, what is learned from it
    costs diversity and gains nothing that is counted.
    """

    def __init__(self) -> None:
        self.graded = Shapes()

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        """A verdict for each group."""
        return [eased(ranking) for ranking in self.graded.rank(groups)]


def eased(ranking: Ranking) -> Ranking:
    """A graded verdict, with 1 for every right image where they are half of all or more."""
    right = [details["right"] for details in ranking.details]
    if 2 * sum(right) < len(right):
        return ranking
    scores = (1.0 if one else score for one, score in zip(right, ranking.scores, strict=True))
    return Ranking(tuple(scores), details=ranking.details)
