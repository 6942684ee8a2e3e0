"""One ranker's order, behind the veto of another: what it rejects ranks last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from rankkit.core.calling import check_rankings
from rankkit.core.panel import Panel, lexicographic
from rankkit.core.types import Group, Ranker, Ranking
from rankkit.errors import UsageError


class Veto(Panel):
    """The order of `ranker`, except that an image which `by` scores below `below` ranks last.

    A constraint that no gain may buy off: ``veto:ranker=pickscore,by=nsfw,below=0.5``. Both are rankers as
    they are written everywhere; a panel is quoted, ``veto:ranker="pickscore*2+hpsv3",by=nsfw``. In Python
    `rankkit.veto` builds one.
    """

    of_rankers: ClassVar[tuple[str, ...]] = ("ranker", "by")

    def __init__(self, *, ranker: Ranker, by: Ranker, below: float = 0.5) -> None:
        super().__init__((ranker, by))
        self.ranker, self.gate, self.below = ranker, by, _checked(below)

    @classmethod
    def version(cls, *, below: float = 0.5, **_: Any) -> None:
        """None beside that of its rankers; a bound that is no number is refused before their weights load."""
        _checked(below)

    def __repr__(self) -> str:
        return f"<{self.ranker!r}, after images that {self.gate!r} scores below {self.below:g}>"

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """Score = number of candidates that are worse, ties counting half, as `lexicographic`'s.

        Vetoed images tie, whatever the ranker says of them or does not. An image on which the gate abstains
        is abstained on, and so is one that passes and on which the ranker abstains.
        """
        gates = check_rankings(self.gate.rank(groups), groups, "veto")
        orders = check_rankings(self.ranker.rank(groups), groups, "ranker")
        pairs = zip(groups, gates, orders, strict=True)
        return [self._combined(group, gate, order) for group, gate, order in pairs]

    def _combined(self, group: Group, gate: Ranking, order: Ranking) -> Ranking:
        passes = [score if math.isnan(score) else float(score >= self.below) for score in gate.scores]
        kept = [0.0 if passed == 0 else score for passed, score in zip(passes, order.scores, strict=True)]
        gated, ordered = (
            _Said(Ranking(tuple(scores), "listwise", None, verdict.details))
            for scores, verdict in ((passes, gate), (kept, order))
        )
        (ranking,) = lexicographic(gated, ordered).rank([group])
        details: list[dict[str, Any]] = []
        for found, score, own, passed in zip(ranking.details, gate.scores, order.scores, passes, strict=True):
            said = {"vetoed": passed == 0, "gate": _plain(score), "ranker": _plain(own)}
            details.append(said | ({"error": found["error"]} if "error" in found else {}))
        return Ranking(ranking.scores, "listwise", None, tuple(details))


class _Said:
    """A ranker that has answered already."""

    def __init__(self, ranking: Ranking) -> None:
        self.ranking = ranking

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        return [self.ranking]


def veto(ranker: Ranker, *, by: Ranker, below: float = 0.5) -> Veto:
    """The order of `ranker`, except that an image which `by` scores below `below` ranks last.

    ``veto(load("pickscore"), by=load("safe"))``: for a constraint that no gain may buy off. With 0.5 a
    gate of 0 and 1 is read as failed or passed. Vetoed images tie with each other. Raises
    `UsageError` for a bound that is no finite number.
    """
    return Veto(ranker=ranker, by=by, below=below)


def _checked(below: float) -> float:
    if not math.isfinite(below):
        raise UsageError(f"below={below} is no finite number; give the least score that passes")
    return below


def _plain(score: float) -> float | None:
    return None if math.isnan(score) else score
