"""What a fit found, in words and tables: the same for a terminal and for a page."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rankkit.analysis.stats import NOT_SIGNIFICANT, Rate
from rankkit.choose.fit import basic
from rankkit.choose.fit.fit import Fit
from rankkit.core.text import count, first_few, in_columns

Table = list[list[str]]

SINGLES = 8  # features that are listed by themselves


def verdict(found: Fit) -> Iterator[str]:
    """Sentences that say whether the taste was met, better than by one feature, and how well it could be."""
    held = found.held_out
    if not held.tried:
        yield "Too few answers share no image with the others: how well the taste is met is not known."
        return
    chance = held.taste.verdict("better than chance", "worse than chance")
    yield f"On held-out answers it is {_or_no_better(chance, 'chance')}."
    if held.singles:
        single = held.over_single.verdict(
            "better than the best single feature or ranker", "worse than the best single feature or ranker"
        )
        yield f"It is {_or_no_better(single, 'the best single feature or ranker')}."
        if held.over_single.low <= 0.5:
            yield "It is written all the same; more answers may help, or other --features."
    if found.consistency is not None:
        alike, again = found.labels.repeated
        yield (
            f"Of {count(again, 'question')} asked again {alike} were answered as before "
            f"({_rate(found.consistency)}){_ceiling(found.consistency)}."
        )
    if found.agreement is not None:
        opposed = ": they want the opposite of each other" if found.agreement.high < 0.5 else ""
        yield (
            f"People who answered the same question chose the same image in {_rate(found.agreement)} of "
            f"{count(found.agreement.values, 'comparison')}{opposed}; --who NAME fits the taste of one."
        )
    yield from (f"{each}." for each in found.labels.one_sided())


def _or_no_better(words: str, than: str) -> str:
    return f"no better than {than} ({words})" if words == NOT_SIGNIFICANT else words


def _ceiling(consistency: Rate) -> str:
    """The most that any ranker can foretell of somebody who errs alike in every answer."""
    if consistency.rate <= 0.5:
        return ""
    most = (1 + math.sqrt(2 * consistency.rate - 1)) / 2
    return f"; a ranker that knew this taste exactly would foretell about {most:.2f}"


def about(found: Fit) -> Table:
    """What was fitted: names and values."""
    measured, held = found.measured, found.held_out
    images, prompts = (len({item[column] for item in measured.items}) for column in (0, 1))
    people = ", ".join(f"{name} ({number:,})" for name, number in found.labels.people.most_common(8))
    left_out = f"{count(measured.left_out, 'answer')}, whose images cannot be used"
    untried = f"; {held.untried:,} were not tried" if held.untried else ""
    return [
        ["labels", ", ".join(found.labels.files)],
        ["people", people or "not said"],
        ["answers", f"{len(measured.answers):,}, {measured.ties:,} of them ties, each half a win of either"],
        ["left out", left_out if measured.left_out else "none"],
        ["images", f"{images:,} of {count(prompts, 'prompt')}"],
        ["features", "+".join(part.spec for part in found.taste.parts)],
        ["held out", f"{'whole prompts' if held.by == 'prompts' else 'sets of images'}{untried}"],
        ["strength", f"C = {held.strength:.3g}"],
        ["version", found.taste.version],
    ]


def accuracies(found: Fit) -> Table:
    """Held-out accuracy of the taste and of baselines, the header first."""
    held = found.held_out
    rows = [["on held-out answers", "accuracy", "95 % interval"]]
    rows.append(["this taste", *_cells(held.taste)])
    if held.singles:
        rows.append(["best single feature", *_cells(held.single)])
        rows.append(["mean of the features", *_cells(held.mean)])
    rows.append(["chance", "0.500", ""])
    if found.consistency is not None:
        rows.append(["the same person again", *_cells(found.consistency)])
    return rows


def singles(found: Fit) -> Table:
    """The features that do best by themselves, by this very number, and every ranker; the header first."""
    own = {
        name for name, kind in zip(found.measured.names, found.measured.kinds, strict=True) if kind == "score"
    }
    ranked = list(enumerate(found.held_out.singles))
    shown = [each for at, each in ranked if at < SINGLES or each[0] in {*own, *basic.RANKERS}]
    rows = [[name, *_cells(rate)] for name, rate in shown]
    return [["by itself", "accuracy", "95 % interval"], *rows] if rows else []


def curve(found: Fit) -> Table:
    """Accuracy by the number of answers that were learned from, the header first."""
    rows = [[f"{number:,}", *_cells(rate)] for number, rate in found.held_out.curve]
    return [["answers learned from", "accuracy", "95 % interval"], *rows]


def weights(found: Fit) -> Table:
    """The heaviest features, the header first."""
    rows = [[name, f"{value:+.2f}"] for name, value in found.weights[:SINGLES]]
    return [["feature", "logits per standard deviation"], *rows] if rows else []


def faults(found: Fit) -> Iterator[str]:
    """What was left out and why, a line or none."""
    why = found.measured.faults
    if why:
        name, reason = next(iter(why.items()))
        yield (
            f"{count(len(why), 'image')} cannot be used, and {count(found.measured.left_out, 'answer')} with "
            f"them: {first_few(list(why))} ({name}: {reason})"
        )


def lines(found: Fit) -> Iterator[str]:
    """The whole as lines for a terminal."""
    for table in (about(found), accuracies(found), singles(found), curve(found), weights(found)):
        yield from [*in_columns(table), ""] if table else []
    yield from verdict(found)


def _rate(rate: Rate) -> str:
    return f"{rate.rate:.2f}, {rate.low:.2f} to {rate.high:.2f}"


def _cells(rate: Rate) -> list[str]:
    return [f"{rate.rate:.3f}", f"{rate.low:.3f} to {rate.high:.3f}"] if rate.values else ["-", "-"]
