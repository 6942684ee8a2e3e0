"""Calling a ranker, the same way everywhere.

What it returns is checked, and a failure costs only the group that failed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rankkit.core.binding import describe
from rankkit.core.stated import kind_of
from rankkit.core.types import Group, Kind, Ranker, Ranking
from rankkit.errors import BrokenRanker, RunStopped


def rank_groups(ranker: Ranker, groups: Sequence[Group], name: str) -> list[Ranking]:
    """One ranking per group, with one score per image.

    Where the ranker fails, each group is asked for by itself, and the one that fails alone abstains with the
    reason.

    Passes `RunStopped` on: it ends the run, and no image is to blame. A ranker that calls ``sys.exit`` has
    failed like any other.
    """
    if not groups:
        return []
    try:
        return check_rankings(ranker.rank(groups), groups, name)
    except RunStopped:
        raise
    except (Exception, SystemExit) as error:
        if len(groups) == 1:
            return [abstention(groups[0], describe(error), kind_of(ranker))]
    return [ranking for group in groups for ranking in rank_groups(ranker, [group], name)]


def check_rankings(rankings: object, groups: Sequence[Group], name: str) -> list[Ranking]:
    """What a ranker returned, if it is one `Ranking` per group with one score per image.

    Else raises `BrokenRanker`.
    """
    if not isinstance(rankings, Sequence) or not all(isinstance(ranking, Ranking) for ranking in rankings):
        raise BrokenRanker(
            f"{name} returned {str(rankings)[:80]}, not a list of Ranking; try: rankkit check {name}"
        )
    if len(rankings) != len(groups):
        raise BrokenRanker(
            f"{name} returned {len(rankings)} rankings for {len(groups)} groups; try: rankkit check {name}"
        )
    for ranking, group in zip(rankings, groups, strict=True):
        if len(ranking.scores) != len(group.images):
            raise BrokenRanker(
                f"{name} returned {len(ranking.scores)} scores for {len(group.images)} images; try: rankkit "
                f"check {name}"
            )
    return list(rankings)


def abstention(group: Group, reason: str, kind: Kind = "listwise") -> Ranking:
    """A ranking in which every image abstains, for this reason."""
    count = len(group.images)
    return Ranking((math.nan,) * count, kind, None, ({"error": reason},) * count)


class LazyRanker:
    """A ranker that is built with the first groups it is asked to rank.

    Who needs no ranking loads no weights.
    """

    def __init__(self, name: str, load: Callable[[], Ranker]) -> None:
        self.name = name
        self._load = load
        self._ranker: Ranker | None = None

    @property
    def kind(self) -> Kind:
        """That of the ranker, once it is built."""
        return "listwise" if self._ranker is None else kind_of(self._ranker)

    def build(self) -> Ranker:
        """The ranker, built once. Raises whatever building it raises."""
        if self._ranker is None:
            self._ranker = self._load()
        return self._ranker

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """Rankings whose shape was checked.

        Raises whatever the ranker raises, and `BrokenRanker` for a wrong shape.
        """
        ranker = self.build()
        return check_rankings(ranker.rank(groups), groups, self.name) if groups else []
