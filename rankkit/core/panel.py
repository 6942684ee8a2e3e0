"""Panels: several rankers as one, by mean rank or lexicographic order.

Ranks are combined, never raw scores: scales, outliers and saturation of the members do not matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from rankkit.core.calling import check_rankings
from rankkit.core.stated import metadata_of, needs_prompt
from rankkit.core.types import Group, Kind, Ranker, Ranking, ranks
from rankkit.errors import UsageError


class Panel:
    """A ranker made of others, its `parts`: it needs and reads what any of them does."""

    kind: ClassVar[Kind] = "listwise"

    def __init__(self, parts: Iterable[Ranker]) -> None:
        self.parts = tuple(parts)
        self.needs_prompt = any(map(needs_prompt, self.parts))
        self.reads_metadata, self.metadata_images = metadata_of(self.parts)


class MeanRank(Panel):
    """Orders by the weighted mean of its members' ranks (Borda 1781). Build it with `mean_rank`."""

    def __init__(self, members: Mapping[str, Ranker], weights: Mapping[str, float]) -> None:
        super().__init__(members.values())
        self.members, self.weights = dict(members), dict(weights)

    def __repr__(self) -> str:
        weights = ((name, self.weights[name]) for name in self.members)
        members = " + ".join(name if weight == 1 else f"{name}*{weight:g}" for name, weight in weights)
        return f"<mean rank of {members}>"

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """Score = weighted mean over members of (ranked - rank) / (ranked - 1), in [0, 1].

        1 if every member puts it first.
        """
        verdicts = _ask_all(self.members, groups)
        return [
            combine_ranks(dict(zip(self.members, each, strict=True)), self.weights)
            for each in zip(*verdicts, strict=True)
        ]


class Lexicographic(Panel):
    """Orders by the first of its parts and lets the next ones decide only its ties.

    Build it with `lexicographic`.
    """

    def __repr__(self) -> str:
        return f"<lexicographic order by {', then '.join(map(repr, self.parts))}>"

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """Score = number of candidates that are worse, ties counting half.

        A member is asked for an opinion only where it matters.
        """
        verdicts = _ask_all({str(i): ranker for i, ranker in enumerate(self.parts)}, groups)
        return [_refine(each) for each in zip(*verdicts, strict=True)]


def mean_rank(rankers: Mapping[str, Ranker], weights: Mapping[str, float] | None = None) -> MeanRank:
    """A panel by weighted mean rank; weights default to 1 each and are positive.

    An image on which a member abstains is abstained on, with that member's reason: it cannot be compared
    fairly with the others.
    """
    weights = dict.fromkeys(rankers, 1.0) if weights is None else dict(weights)
    if not rankers:
        raise UsageError("a panel needs at least one ranker")
    if set(weights) != set(rankers):
        raise UsageError(
            f"weights name {sorted(weights)}, the rankers are {sorted(rankers)}; give one weight each"
        )
    for name, weight in weights.items():
        if not (math.isfinite(weight) and weight > 0):
            raise UsageError(
                f"the weight of {name} is {weight}; weights are positive numbers (to prefer less of "
                f"something, write a ranker that says so)"
            )
    return MeanRank(rankers, weights)


def lexicographic(*rankers: Ranker) -> Lexicographic:
    """The first ranker's order, its ties refined by the second, and so on.

    ``lexicographic(geneval, pickscore)`` gates by the first.
    """
    if not rankers:
        raise UsageError("lexicographic needs at least one ranker")
    return Lexicographic(rankers)


def combine_ranks(verdicts: Mapping[str, Ranking], weights: Mapping[str, float]) -> Ranking:
    """Members' rankings of one group as one listwise ranking.

    Details carry each member's score, rank and weight.
    """
    combined = combine_scores({name: verdict.scores for name, verdict in verdicts.items()}, weights)
    places = {name: verdict.ranks for name, verdict in verdicts.items()}
    details: list[dict[str, Any]] = []
    for i, score in enumerate(combined):
        found: dict[str, Any] = {
            "members": {
                name: {"score": verdict.scores[i], "rank": places[name][i], "weight": weights[name]}
                for name, verdict in verdicts.items()
            }
        }
        if math.isnan(score):
            silent = [
                f"{name}: {verdict.reason(i) or 'abstained'}"
                for name, verdict in verdicts.items()
                if math.isnan(verdict.scores[i])
            ]
            found["error"] = "; ".join(silent)
        details.append(found)
    return Ranking(tuple(combined), "listwise", None, tuple(details))


def stated_weights(details: Mapping[str, Any]) -> dict[str, float] | None:
    """The weights by member that `combine_ranks` wrote into details; None where there are none."""
    members = details.get("members")
    weights: dict[str, float] = {}
    for name, found in members.items() if isinstance(members, Mapping) else ():
        weight = found.get("weight") if isinstance(found, Mapping) else None
        if not isinstance(weight, (int, float)) or not 0 < weight < math.inf:
            return None
        weights[name] = weight
    return weights or None


def stated_members(details: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What the details of a panel's row say of each member; nothing where somebody else wrote them."""
    members = details.get("members")
    items = members.items() if isinstance(members, Mapping) else ()
    return {name: found for name, found in items if isinstance(found, dict)}


def combine_scores(scores: Mapping[str, Sequence[float]], weights: Mapping[str, float]) -> list[float]:
    """Weighted mean over members of (ranked - rank) / (ranked - 1), in [0, 1]; NaN where a member is NaN.

    Ranks are those among the images that every member could judge: one that is left out must not move the
    others. Only the order of each member's scores matters, so a group may be scored in pieces and combined at
    the end.
    """
    total = sum(weights.values())
    silent = [any(map(math.isnan, values)) for values in zip(*scores.values(), strict=True)]
    ranked = silent.count(False)
    combined = [0.0] * len(silent)
    for name, values in scores.items():
        for i, rank in enumerate(
            ranks([math.nan if left_out else value for value, left_out in zip(values, silent, strict=True)])
        ):
            combined[i] += weights[name] * ((ranked - rank) / (ranked - 1) if ranked > 1 else rank * 0 + 0.5)
    return [round(value / total, 12) for value in combined]


def _refine(verdicts: Sequence[Ranking]) -> Ranking:
    n = len(verdicts[0].scores)
    tiers: list[list[int]] = [list(range(n))]
    errors: dict[int, str] = {}
    for verdict in verdicts:
        finer: list[list[int]] = []
        for tier in tiers:
            if len(tier) == 1 and verdict is not verdicts[0]:
                finer.append(tier)
                continue
            for i in tier:
                if math.isnan(verdict.scores[i]):
                    errors[i] = verdict.reason(i) or "abstained"
            rest = [i for i in tier if i not in errors]
            finer += [
                [i for i in rest if verdict.scores[i] == score]
                for score in sorted({verdict.scores[i] for i in rest}, reverse=True)
            ]
        tiers = finer
    scores, worse = [math.nan] * n, sum(map(len, tiers))
    for tier in tiers:
        worse -= len(tier)
        for i in tier:
            scores[i] = worse + (len(tier) - 1) / 2
    details = tuple(
        {
            "members": [verdict.scores[i] for verdict in verdicts],
            **({"error": errors[i]} if i in errors else {}),
        }
        for i in range(n)
    )
    return Ranking(tuple(scores), "listwise", None, details)


def _ask_all(members: Mapping[str, Ranker], groups: Sequence[Group]) -> list[list[Ranking]]:
    return [check_rankings(ranker.rank(groups), groups, name) for name, ranker in members.items()]
