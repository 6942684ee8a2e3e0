"""Where a run got worse than its base, and what it gained task by task."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from drpo.report.kept import Comparison, Pair
from drpo.report.sections import parts
from rankkit.plugin import Followed, Section, h, series, verdict, win_interval

LISTED = 5  # prompts per ranker


def tasks(found: Comparison) -> Section | None:
    """A line per task, a column per ranker; None where prompts belong to no tasks."""
    names = list(dict.fromkeys(found.tasks))
    if len(names) < 2:
        return None
    lines = []
    for name in names:
        of_task = [
            [pair for pair in pairs if found.tasks[pair.prompt] == name] for pairs in found.pairs.values()
        ]
        prompts = sum(task == name for task in found.tasks)
        lines.append([name or "no task", f"{prompts}", *map(_said, of_task)])
    shown = parts.rows(["task", "prompts", *found.pairs], lines, "By task")
    words = (
        "The mean score before and after where scores compare between prompts, pairs won, and the verdict."
    )
    return Section("By task", h("div", parts.note(words), shown))


def worse(found: Comparison) -> Section | None:
    """Prompts on which most pairs were lost, ranker by ranker, and images of pairs that were lost by most."""
    if not found.pairs or not found.texts:
        return None
    made = [_card(found, ranker, pairs) for ranker, pairs in found.pairs.items() if pairs]
    shown = [lost for lost in found.lost if lost.before.is_file() and lost.after.is_file()]
    followed = [
        Followed(
            f"{found.texts[lost.prompt]} ({lost.ranker})",
            [[parts.data_uri(lost.before), parts.data_uri(lost.after)]],
            _side(lost.before),
        )
        for lost in shown
    ]
    words = "Pairs in which a ranker prefers the base’s image, by most first; a prompt once."
    below = [h("h3", "Lost pairs"), parts.note(words), series(("base", "run"), followed)] if shown else []
    return Section("Where it got worse", h("div", parts.cards(made), h("div", below, class_="block")))


def _side(path: Path) -> int:
    with Image.open(path) as opened:
        return max(opened.size)


def _card(found: Comparison, ranker: str, pairs: Sequence[Pair]) -> str:
    by_prompt = {
        number: [pair for pair in pairs if pair.prompt == number and pair.won is not None]
        for number in range(len(found.texts))
    }
    wins = {number: _mean([pair.won for pair in some]) for number, some in by_prompt.items() if some}
    lost = sorted((number for number, won in wins.items() if won < 0.5), key=lambda number: wins[number])
    words = f"Most pairs were lost on {len(lost)} of {len(wins)} prompts."
    lines = [
        h("li", found.texts[number], " ", h("span", _line(by_prompt[number]), class_="facts"), dir="auto")
        for number in lost[:LISTED]
    ]
    return parts.card(ranker, "", parts.facts(words), h("ul", lines) if lines else None)


def _line(pairs: Sequence[Pair]) -> str:
    won = f"{_mean([pair.won for pair in pairs]):.0%} of {len(pairs)} pairs won".replace("%", " %")
    return f"{means}; {won}" if (means := _means(pairs)) else won


def _said(pairs: Sequence[Pair]) -> str:
    """A cell of the table of tasks."""
    ranked = [pair for pair in pairs if pair.won is not None]
    if not ranked:
        return "all abstained"
    rate = win_interval([pair.won or 0.0 for pair in ranked], _clusters(ranked))
    means = f"{_means(ranked)}; " if _means(ranked) else ""
    words = verdict(rate.low, rate.high, "better", "worse").partition(":")[0]
    return f"{means}{rate.rate:.0%} won ({rate.low:.0%} to {rate.high:.0%}): {words}".replace("%", " %")


def _clusters(pairs: Sequence[Pair]) -> list[int]:
    numbers = {prompt: number for number, prompt in enumerate(dict.fromkeys(pair.prompt for pair in pairs))}
    return [numbers[pair.prompt] for pair in pairs]


def _means(pairs: Sequence[Pair]) -> str:
    if any(pair.before is None for pair in pairs):
        return ""
    before, after = _mean([pair.before for pair in pairs]), _mean([pair.after for pair in pairs])
    return f"{parts.figure(before)} → {parts.figure(after)}"


def _mean(values: Sequence[float | None]) -> float:
    return sum(value or 0.0 for value in values) / len(values)
