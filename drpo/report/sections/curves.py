"""The curves of a run: reward, every ranker's figure, diversity, loss; and what its evaluations warn of."""

from __future__ import annotations

import math
from pathlib import Path

from drpo.report import kept
from drpo.report.sections import parts
from drpo.run.files import read_rows
from drpo.run.monitor import Evaluation, alarm, best, unimproved
from rankkit.plugin import Curve, Section, h, line_chart

WIDE = 380  # pixels of a drawing in a card


def curves(run: Path, beside: Path | None) -> Section | None:
    """A card per curve; in the reward's also a random ranker's, from rows of earlier runs."""
    found = kept.evaluations(run)
    made = [_reward(run, beside), *_rankers(found, kept.target(run)), _diversity(found), _loss(run)]
    shown = [each for each in made if each]
    if not shown:
        return None
    said = [f"At the last evaluation: {words}." for words in [alarm(found, kept.target(run))] if words]
    said += [f"{words[0].upper()}{words[1:]}." for words in [unimproved(found, kept.target(run))] if words]
    words = [h("p", each, class_="note warn") for each in said]
    return Section("Curves", h("div", words, parts.cards(shown)))


def _reward(run: Path, beside: Path | None) -> str:
    points = kept.rewards(run)
    if not points:
        return ""
    drawn = [Curve(f"this run, ranker {kept.target(run)}", kept.smooth(points))]
    other = _random(beside) if beside else None
    chart = line_chart([*drawn, *([other] if other else [])], x="step", y="reward", width=WIDE)
    words = f"The mean over each step’s candidates, as a running mean of {kept.SMOOTH} steps."
    return parts.card("Reward while training", "", chart, parts.facts(words))


def _rankers(found: list[Evaluation], target: str) -> list[str]:
    if not found:
        return []
    chosen = best(found, target).step
    made = []
    for name in found[0].scores:
        points = [
            (one.step, one.scores[name]) for one in found if not math.isnan(one.scores.get(name, math.nan))
        ]
        if not points:
            continue
        chart = line_chart([Curve(name, points)], x="step", y="at evaluations", width=WIDE)
        label = "what was trained on" if name == target else "held out"
        words = f"{parts.figure(points[0][1])} before, {parts.figure(points[-1][1])} after"
        held = [other for other in found[0].scores if other != target] or [target]
        said = f"{words}; step {chosen} is the best by {'held-out rankers' if held != [target] else target}"
        made.append(parts.card(name, label, chart, parts.facts(f"{said}.")))
    return made


def _diversity(found: list[Evaluation]) -> str:
    points = [(one.step, one.diversity) for one in found if not math.isnan(one.diversity)]
    if not points:
        return ""
    start, last = points[0][1], points[-1][1]
    left = f", {parts.share(last / start)} of it at the end" if start else ""
    words = (
        f"The mean distance between a prompt’s images, in latent units: {parts.figure(start)} before{left}."
    )
    chart = line_chart([Curve("diversity", points)], x="step", y="diversity", width=WIDE)
    return parts.card("Diversity", "", chart, parts.facts(words))


def _loss(run: Path) -> str:
    points = kept.logged(run, "loss")
    if not points:
        return ""
    chart = line_chart([Curve("loss", kept.smooth(points))], x="step", y="loss", width=WIDE)
    words = "The distance to a target that moves along: its size is the field’s, and need not fall."
    return parts.card("Loss", "", chart, parts.facts(words))


def _random(beside: Path) -> Curve | None:
    """A control: the reward's course under a ranker that knows nothing, from the rows of an earlier
    benchmark.
    """
    rows = [row for row in read_rows(beside) if row.get("arm") == "random" and row.get("curve")]
    if not rows:
        return None
    row = rows[-1]
    source = f"from {beside.name} of {row.get('date', 'an earlier day')}"
    points = kept.smooth(list(enumerate(row["curve"], start=1)))
    return Curve(f"random ranker, seed {row['seed']}, not run now: {source}", points)
