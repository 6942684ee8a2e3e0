"""What a run gained over its base: a card per ranker, the interval in words, and the page's first numbers."""

from __future__ import annotations

from collections.abc import Sequence

from drpo.report.evaluate import BaseComparison
from drpo.report.kept import Comparison
from drpo.report.sections import parts
from rankkit.plugin import Section, h


def gains(found: Comparison, target: str) -> Section:
    """Image by image against the base from the same noises, by every ranker that was asked."""
    if found.sentences:
        words = f"On the prompts {found.prompts} (as an earlier version of drpo worded it):"
        return Section(
            "What was gained", h("p", words) + h("ul", [h("li", line) for line in found.sentences])
        )
    words = (
        f"Each image of the run against the base’s from the same noise, on the prompts {found.prompts}. "
        "Intervals are of 95 %, by prompts as clusters."
    )
    made = [_card(one, "trained on" if one.ranker == target else "held out") for one in found.comparisons]
    return Section("What was gained", h("div", parts.note(words), parts.cards(made)))


def lead(comparisons: Sequence[BaseComparison]) -> str:
    """One sentence: how many rankers prefer the run, and how many the base."""
    ranked = [one for one in comparisons if one.pairs]
    if not ranked:
        return ""
    run = sum(one.low > 0.5 for one in ranked)
    base = sum(one.high < 0.5 for one in ranked)
    open_ = len(ranked) - run - base
    counts = [(run, "the run"), (base, "the base")]
    words = [
        f"{_rankers(count)} {'prefers' if count == 1 else 'prefer'} {who}" for count, who in counts if count
    ]
    words += [f"for {_rankers(open_)} the difference could be chance"] if open_ else []
    said = "; ".join(words)
    return f"{said[0].upper()}{said[1:]}."


def _rankers(count: int) -> str:
    return f"{count} ranker{'s' * (count > 1)}"


def _card(one: BaseComparison, label: str) -> str:
    if not one.pairs:
        return parts.card(one.ranker, label, parts.facts(f"Abstained on all {one.abstained} pairs."))
    big = h("p", h("b", parts.share(one.win_rate)), h("span", f"of {one.pairs} pairs won"), class_="mean")
    interval = f"The share lies between {parts.share(one.low)} and {parts.share(one.high)}: {one.verdict}."
    lost = f"{one.abstained} pairs abstained." if one.abstained else ""
    lines = [parts.facts(words) for words in (interval, _means(one), lost) if words]
    return parts.card(one.ranker, label, big, parts.meter(one.low, one.high, one.win_rate), lines)


def _means(one: BaseComparison) -> str:
    """The mean score before and after, and what the interval of the difference says."""
    if one.before is None or one.after is None:
        return ""
    words = f"The mean score went from {parts.figure(one.before)} to {parts.figure(one.after)}"
    if one.gain_low is None or one.gain_high is None:
        return f"{words}."
    low, high = one.gain_low, one.gain_high
    if low == high == 0:
        return f"{words}: it changed nowhere."
    sure = "it rose" if low > 0 else "it fell" if high < 0 else "it may not have changed"
    between = f"between {parts.gained(low)} and {parts.gained(high)}"
    return f"{words}, by {parts.gained(one.after - one.before)} ({between}): {sure}."
