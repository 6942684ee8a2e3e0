"""Two folders, image against image.

How often A's image is preferred to B's, and whether that could be chance.
"""

from __future__ import annotations

import math
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from rankkit.analysis import judge_reliability
from rankkit.analysis.stats import Rate, win_interval
from rankkit.core import images
from rankkit.core.calling import rank_groups
from rankkit.core.stated import needs_prompt
from rankkit.core.types import Group, Ranker, Ranking
from rankkit.errors import BadSource
from rankkit.io.prompts import survey
from rankkit.io.prompts.base import Item

PAIRS_AT_ONCE = 32
OF_MORE = (
    "connected",
    "degraded",
    "triads",
    "circular_triads",
    "zeta",
)  # diagnostics of groups of more than two


@dataclass(frozen=True, slots=True)
class ImagePair:
    """The image of A and the image of B for one prompt."""

    a: Item
    b: Item


@dataclass
class Pairing:
    """How two folders match: `by` says in words how; what has no partner is named, not dropped in silence."""

    pairs: list[ImagePair]
    by: str
    only_a: list[str] = field(default_factory=list)
    only_b: list[str] = field(default_factory=list)


@dataclass
class Comparison:
    """One ranker's verdict: A's win rate over decided pairs, a tie counting half to each.

    A tie is two equal scores; of a pairwise ranker also a P(A is better) within `match.TIE_BAND` of one half.
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
        rate = self.rate
        if not rate.significant:
            return "not significant: this could be chance"
        return f"{a if rate.rate > 0.5 else b} is preferred"


def pair(
    a: str | os.PathLike[str],
    b: str | os.PathLike[str],
    *,
    prompts: str | os.PathLike[str] | None = None,
    prompt: str | None = None,
) -> Pairing:
    """Match the images of two folders by relative path, else by prompt and order.

    Raises `BadSource` when nothing matches.
    """
    sides = [list(_items(side, prompts, prompt)) for side in (a, b)]
    for key, words in ((_by_path, "relative path"), (_by_prompt, "prompt and order")):
        keyed = [key(items) for items in sides]
        both = [name for name in keyed[0] if name in keyed[1]]
        if both:
            pairs = [ImagePair(keyed[0][name][1], keyed[1][name][1]) for name in both]
            paired = {id(item) for each in pairs for item in (each.a, each.b)}
            return Pairing(
                pairs, words, *([item.name for _, item in side if id(item) not in paired] for side in sides)
            )
    raise BadSource(
        f"{a} and {b}: no image of one matches an image of the other by relative path or by prompt; name "
        f"files alike, or give --prompts"
    )


def compare(
    pairs: Sequence[ImagePair],
    rankers: Mapping[str, Ranker],
    *,
    progress: Callable[[int], None] = lambda count: None,
) -> list[Comparison]:
    """Show each ranker every pair as a group of two.

    An image that cannot be read, or an abstention, is a failed pair, not a tie.
    """
    found = [Comparison(name) for name in rankers]
    clusters: dict[str, int] = {}
    waiting = iter(pairs)
    while some := list(islice(waiting, PAIRS_AT_ONCE)):
        opened = [(each, _open(each)) for each in some]
        for result, ranker in zip(found, rankers.values(), strict=True):
            _judge(result, ranker, opened, clusters)
        progress(len(some) * len(found))
    return found


def render(found: Sequence[Comparison], a: str, b: str) -> str:
    """The verdicts in words, a line per ranker; below a pairwise one how far to trust its judge."""
    lines = []
    for each in found:
        told = f"{each.ranker}: {_numbers(each, a, b)}{each.verdict(a, b)}"
        lines.append(
            told + (f" ({_count(len(each.failures), 'pair')} without a verdict)" if each.failures else "")
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


def _numbers(found: Comparison, a: str, b: str) -> str:
    if not found.outcomes:
        return ""
    rate = found.rate
    interval = f"95 % interval {100 * rate.low:.1f} to {100 * rate.high:.1f}"
    ties = f"{_count(found.ties, 'tie')}, half a win to each" if found.ties else "0 ties"
    return (
        f"{a} wins {100 * rate.rate:.1f} % of {_count(len(found.outcomes), 'pair')} ({interval}, {ties}, "
        f"p = {found.p_value:.2g}): "
    )


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def _judge(
    result: Comparison,
    ranker: Ranker,
    opened: Iterable[tuple[ImagePair, Group | str]],
    clusters: dict[str, int],
) -> None:
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
    rankings = rank_groups(ranker, [group for _, group in ready], result.ranker)
    for (each, group), ranking in zip(ready, rankings, strict=True):
        outcome = _outcome(ranking)
        if judge := _diagnostics(ranking):
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
        reasons = dict.fromkeys(str(each["error"]) for each in ranking.details if each.get("error"))
        return "; ".join(reasons) or "the ranker abstained"
    near = _diagnostics(ranking).get("ties") == 1
    return 0.5 if near or first == second else 1.0 if first > second else 0.0


def _diagnostics(ranking: Ranking) -> Mapping[str, Any]:
    """What a pairwise ranker's calls came to, but for what means nothing in a group of two."""
    found = ranking.details[0].get("judge") if ranking.kind == "pairwise" and ranking.details else None
    return (
        {key: value for key, value in found.items() if key not in OF_MORE}
        if isinstance(found, Mapping)
        else {}
    )


def _open(each: ImagePair) -> Group | str:
    shown = []
    for item in (each.a, each.b):
        data = item.read()
        decoded = images.Decoded(None, data) if isinstance(data, str) else images.decode(data)
        if decoded.image is None:
            return f"{item.name}: {decoded.error}"
        shown.append(decoded.image)
    return Group(
        each.a.prompt or each.b.prompt,
        tuple(shown),
        each.a.group,
        (each.a.name, each.b.name),
        each.a.metadata or each.b.metadata,
    )


def _items(
    side: str | os.PathLike[str], prompts: str | os.PathLike[str] | None, prompt: str | None
) -> Iterator[tuple[str, Item]]:
    """The items of a folder with their paths relative to it."""
    for found in survey([side], prompts=prompts):
        prefix = f"{found.root.label}/" if found.root.label else ""
        for item in found.items(prompt):
            yield item.name.removeprefix(prefix), item


def _by_path(items: list[tuple[str, Item]]) -> dict[str, tuple[str, Item]]:
    return {relative: (relative, item) for relative, item in items}


def _by_prompt(items: list[tuple[str, Item]]) -> dict[str, tuple[str, Item]]:
    seen: dict[str, int] = defaultdict(int)
    keyed = {}
    for relative, item in items:
        if item.prompt:
            keyed[f"{seen[item.prompt]}\0{item.prompt}"] = (relative, item)
            seen[item.prompt] += 1
    return keyed
