"""How often the images of one folder are preferred to those of another, and whether that could be chance."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from rankkit.analysis import judge_reliability
from rankkit.analysis.pairs import ImagePair
from rankkit.analysis.stats import Rate, win_interval
from rankkit.core import images
from rankkit.core.calling import rank_groups
from rankkit.core.stated import needs_prompt
from rankkit.core.text import count
from rankkit.core.types import Group, Ranker, Ranking
from rankkit.registry.one_score import OneScoreWatch

PAIRS_AT_ONCE = 32
# diagnostics of groups of more than two
OF_MORE = ("connected", "degraded", "triads", "circular_triads", "zeta")


@dataclass
class Comparison:
    """One ranker's verdict: A's win rate over decided pairs, a tie counting half to each.

    A tie is two equal scores; of a pairwise ranker also a P(A is better) within `TIE_BAND` of one half
    (`rankkit.core.pairing`).
    `judge` holds a pairwise ranker's diagnostics, one per pair it was asked about.
    """

    ranker: str
    outcomes: list[float] = field(default_factory=list)  # 1 where A won, 0 where B did, ½ tied
    prompts: list[int] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)  # pair → reason
    judge: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def rate(self) -> Rate:
        """Win rate of A with its 95 % interval, prompts as clusters."""
        return win_interval(self.outcomes, self.prompts)

    @property
    def p_value(self) -> float:
        """Two-sided, against a rate of one half, by prompt."""
        return self.rate.p_value

    @property
    def ties(self) -> int:
        """Pairs that the ranker could not tell apart."""
        return self.outcomes.count(0.5)

    def as_json(self) -> dict[str, Any]:
        """The verdict as an object."""
        rate = self.rate
        return {
            "ranker": self.ranker,
            "pairs": len(self.outcomes),
            "win_rate": None if math.isnan(rate.rate) else rate.rate,
            "low": rate.low,
            "high": rate.high,
            "p_value": self.p_value,
            "ties": self.ties,
            "failed": len(self.failures),
            "verdict": self.verdict("A", "B"),
            **({"judge": judge_reliability.total(self.judge)} if self.judge else {}),
        }

    def verdict(self, a: str, b: str) -> str:
        """Who is better, in words."""
        if not self.outcomes:
            return "no pair was decided"
        return self.rate.verdict(f"{a} is preferred", f"{b} is preferred")


def compare(
    pairs: Sequence[ImagePair],
    rankers: Mapping[str, Ranker],
    *,
    progress: Callable[[int], None] = lambda count: None,
    say: Callable[[str], object] = lambda text: None,
) -> list[Comparison]:
    """Win rates of A over B by each ranker, which sees every pair as a group of two.

    An image that cannot be read, or an abstention, is a failed pair, not a tie. `say` is told of a ranker
    that images do not matter to.
    """
    watch = OneScoreWatch(say)
    found = [Comparison(name) for name in rankers]
    clusters: dict[str, int] = {}
    waiting = iter(pairs)
    while some := list(islice(waiting, PAIRS_AT_ONCE)):
        opened = [(each, _open(each)) for each in some]
        for result, ranker in zip(found, rankers.values(), strict=True):
            _count_pairs(result, ranker, opened, clusters, watch)
        progress(len(some) * len(found))
    return found


def render(found: Sequence[Comparison], a: str, b: str, by: str = "") -> str:
    """The verdicts in words, a line per ranker; below a pairwise one how far to trust its judge.

    `by` says how the pairs were made (`Pairing.by`).
    """
    lines = []
    for each in found:
        told = f"{each.ranker}: {_numbers(each, a, b, by)}{each.verdict(a, b)}"
        lines.append(
            told + (f" ({count(len(each.failures), 'pair')} without a verdict)" if each.failures else "")
        )
        if each.judge:
            lines.append(
                "  its judge: "
                + "; ".join(
                    f"{name} {said}"
                    for name, said in judge_reliability.words(judge_reliability.total(each.judge)).items()
                )
            )
    return "\n".join(lines)


def _numbers(found: Comparison, a: str, b: str, by: str) -> str:
    if not found.outcomes:
        return ""
    rate = found.rate
    interval = f"95 % interval {100 * rate.low:.1f} to {100 * rate.high:.1f}"
    ties = f"{count(found.ties, 'tie')}, half a win to each" if found.ties else "0 ties"
    pairs = count(len(found.outcomes), "pair") + (f" by {by}" if by else "")
    return f"{a} wins {100 * rate.rate:.1f} % of {pairs} ({interval}, {ties}, p = {found.p_value:.2g}): "


def _count_pairs(
    result: Comparison,
    ranker: Ranker,
    opened: Iterable[tuple[ImagePair, Group | str]],
    clusters: dict[str, int],
    watch: OneScoreWatch,
) -> None:
    """Show some pairs to a ranker, and count who won."""
    ready: list[tuple[ImagePair, Group]] = []
    for each, group in opened:
        if isinstance(group, str):
            result.failures[each.a.name] = group
        elif needs_prompt(ranker) and not group.prompt:
            result.failures[each.a.name] = (
                f"{result.ranker} needs a prompt, and this pair has none; give --prompt TEXT or --prompts "
                f"FILE"
            )
        else:
            ready.append((each, group))
    groups = [group for _, group in ready]
    rankings = rank_groups(ranker, groups, result.ranker)
    watch.groups(result.ranker, groups, rankings)
    for (each, group), ranking in zip(ready, rankings, strict=True):
        outcome = _outcome(ranking)
        if judge := _judge_diagnostics(ranking):
            result.judge.append(judge)
        if isinstance(outcome, str):
            result.failures[each.a.name] = outcome
        else:
            result.outcomes.append(outcome)
            result.prompts.append(clusters.setdefault(group.prompt or each.a.name, len(clusters)))


def _outcome(ranking: Ranking) -> float | str:
    """1, ½ or 0 for A, or why there is no verdict."""
    first, second = ranking.scores
    if math.isnan(first) or math.isnan(second):
        reasons = dict.fromkeys(filter(None, map(ranking.reason, (0, 1))))
        return "; ".join(reasons) or "the ranker abstained"
    near = _judge_diagnostics(ranking).get("ties") == 1
    return 0.5 if near or first == second else 1.0 if first > second else 0.0


def _judge_diagnostics(ranking: Ranking) -> Mapping[str, Any]:
    """What a pairwise ranker's calls came to, but for what means nothing in a group of two."""
    found = ranking.details[0].get("judge") if ranking.kind == "pairwise" and ranking.details else None
    return (
        {key: value for key, value in found.items() if key not in OF_MORE}
        if isinstance(found, Mapping)
        else {}
    )


def _open(each: ImagePair) -> Group | str:
    """The pair as a group of two, or why it is none."""
    if not each.one_prompt:
        return f"{each.a.name} and {each.b.name} have different prompts"
    shown = []
    for item in (each.a, each.b):
        data = item.read()
        decoded = images.Decoded(None, data) if isinstance(data, str) else images.decode(data)
        if decoded.image is None:
            return f"{item.name}: {decoded.error}"
        shown.append(decoded.image)
    return Group(
        each.prompt,
        tuple(shown),
        each.a.group,
        (each.a.name, each.b.name),
        each.a.metadata or each.b.metadata,
    )
