"""Evaluations of a run while it trains: rankers it is not trained on, diversity, and when to stop.

A target that rises while the held-out rankers fall is being gamed, not pleased. A fall counts where it is
more than the evaluations' own noise: they are paired by prompt and noise, so the difference has an interval.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch

from drpo.anchors import reasons
from drpo.run.paired import change, duels, outcome
from drpo.types import Generator, Prompt, Sample, fixed_seeds, mean
from drpo.waiting import check_version, version_of
from rankkit import Group, Ranker, Ranking, RankkitError, RunStopped
from rankkit.plugin import check_rankings, describe, rank_groups

EVALUATION_SEED = 20260602
MISSED = 0.05  # share of the intervals of a change that may miss it, over all it is compared with
PATIENCE, FLOOR = 3, 0.5  # evaluations in a row that are enough for an alarm; share of the first diversity

Rank = Callable[[Sequence[Group]], list[Ranking]]
Figures = list[list[float]]
"""Per prompt and noise, NaN where the ranker abstained."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation: a figure per ranker (NaN where all abstained), and the diversity, in latent units, of a
    prompt's samples.

    A pointwise ranker's figure is its mean score. Scores of others mean something within one group only, so
    their figure is the share of images that are preferred to the base's from the same noise (a tie is half).
    `images` are what the figures are means of; runs of earlier versions did not keep them.
    """

    step: int
    scores: Mapping[str, float]
    diversity: float
    images: Mapping[str, Figures] = field(default_factory=dict)


@dataclass(slots=True)
class Monitor:
    """Evaluates the same prompts and noises every time, so that two evaluations differ by the weights alone.

    `target` names the ranker that is trained on, the others of `rankers` are held out. `patience` evaluations
    in a row with the target above what it was and most held-outs below, each by more than its noise
    (`drpo.run.paired.change`), are enough for an alarm, however dense evaluations are; so is diversity below
    `floor` of the first evaluation's. What it was is said by the first evaluation, and by the best before
    these, for which the interval is wider the more it was chosen from. `versions` are those of the rankers,
    as rows of `rankkit score` state them: a run goes on with the same ones only.
    """

    rankers: Mapping[str, Ranker]
    target: str
    prompts: Sequence[Prompt]
    each: int = 4
    patience: int = PATIENCE
    floor: float = FLOOR
    evaluations: list[Evaluation] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    versions: Mapping[str, str] = field(default_factory=dict)
    _stated: dict[str, str] = field(default_factory=dict)  # by the built rankers, at the first evaluation

    def evaluate(self, step: int, now: Sequence[Sample], base: Sequence[Sample]) -> Evaluation:
        """Score the fixed samples of the run and of its base, and remember the result.

        In the first evaluation a ranker that fails is an error; later it costs only its own figure, and
        `troubles` says why.
        """
        self.troubles.clear()
        images = {name: self._figures(name, ranker, now, base) for name, ranker in self.rankers.items()}
        scores = {
            name: mean([each for prompt in figures for each in prompt]) for name, figures in images.items()
        }
        spread = [torch.pdist(sample.latents.float().flatten(1)).mean().item() for sample in now]
        self.evaluations.append(Evaluation(step, scores, mean(spread), images))
        return self.evaluations[-1]

    def samples(self, generator: Generator) -> list[Sample]:
        """The fixed samples, one group per prompt, without a graph."""
        seeds = zip(self.prompts, fixed_seeds(EVALUATION_SEED), strict=False)
        with torch.no_grad():
            return [generator.sample(one.text, generator.noise(self.each, seed)) for one, seed in seeds]

    def base(self, generator: Generator) -> list[Sample]:
        """The same samples of the untrained base."""
        with generator.reference():
            return self.samples(generator)

    def alarm(self) -> str:
        """What is wrong with the run, in words, or nothing."""
        return alarm(self.evaluations, self.target, self.patience, self.floor)

    def best(self) -> Evaluation:
        """The evaluation that `best` finds."""
        return best(self.evaluations, self.target)

    def unimproved(self) -> str:
        """What `unimproved` says."""
        return unimproved(self.evaluations, self.target)

    def state(self) -> list[dict[str, Any]]:
        """The evaluations as plain values."""
        return [asdict(one) for one in self.evaluations]

    def restore(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Continue from a `state`."""
        self.evaluations = [Evaluation(**one) for one in state]

    def _figures(self, name: str, ranker: Ranker, now: Sequence[Sample], base: Sequence[Sample]) -> Figures:
        ask = partial(rank_groups if self.evaluations else _strictly, ranker, name=name)
        before = self._stated.setdefault(name, version_of(ranker))
        try:
            figures, rankings = _figures(ask, now, base, self.prompts)
        except RunStopped as stopped:
            if name == self.target or not self.evaluations:  # what is trained on cannot go on either
                raise
            self.troubles.append(f"the held-out ranker {name} failed: {stopped}")
            return []
        check_version(ranker, name, before)
        missing = [why for one in rankings for why in reasons(one)]
        if missing:
            every = all(math.isnan(each) for prompt in figures for each in prompt)
            what = "failed" if every else f"left out {len(missing)} images"
            self.troubles.append(f"the {self._role(name)} {name} {what}: {missing[0]}")
        return figures

    def _role(self, name: str) -> str:
        return "ranker" if name == self.target else "held-out ranker"


def alarm(found: Sequence[Evaluation], target: str, patience: int = PATIENCE, floor: float = FLOOR) -> str:
    """What is wrong at the last of these evaluations, in words, or nothing: see `Monitor`."""
    if found and math.isfinite(found[0].diversity) and not math.isfinite(found[-1].diversity):
        return "its images are no finite numbers any more; begin anew in another out=, learning_rate= smaller"
    if found and found[-1].diversity < floor * found[0].diversity:
        return f"diversity fell to {found[-1].diversity / found[0].diversity:.2f} of the start's"
    before, last = found[:-patience], found[-patience:]
    if not before:
        return ""
    # the best of several is partly luck, the first is not
    for peak, among in ((found[0], 1), (best(before, target), len(before))):
        if all(_gamed(target, peak, one, 1 - MISSED / among) for one in last):
            words = f"{target} rose while most held-out rankers fell, {patience} evaluations in a row"
            return f"{words}, against step {peak.step}"
    return ""


def unimproved(found: Sequence[Evaluation], target: str) -> str:
    """That nothing that was trained is better than the base, in words, where the first evaluation is the best
    of several.
    """
    if len(found) < 2 or found[0].step or best(found, target) is not found[0]:
        return ""
    judges = [name for name in found[0].scores if name != target]
    asked = judges or list(found[0].scores)
    if not any(math.isfinite(one.scores[name]) for one in found for name in asked):
        who = f"{', '.join(asked)} gave no figure" if asked else "there is no ranker to evaluate it by"
        return f"nothing tells which evaluation was the best, as {who}: best/ is the base as it was"
    who = f"the held-out {', '.join(judges)}" if judges else target
    return f"no later evaluation was better than the base, by {who}: best/ is the base as it was"


def best(found: Sequence[Evaluation], target: str) -> Evaluation:
    """The evaluation with the best mean rank over the held-out rankers; over the target, if nothing is held
    out.

    Ties go to the earlier one. A ranker that gave no figure puts an evaluation last, as does every ranker one
    whose images are not finite numbers.
    """
    names = [name for name in found[0].scores if name != target] or list(found[0].scores)

    def figure(one: Evaluation, name: str) -> float:
        broken = math.isfinite(found[0].diversity) and not math.isfinite(one.diversity)
        return one.scores[name] if math.isfinite(one.scores[name]) and not broken else -math.inf

    def mean_rank(one: Evaluation) -> float:
        better = [sum(figure(other, name) > figure(one, name) for other in found) for name in names]
        return mean([float(count) for count in better])

    return min(found, key=mean_rank)


def _gamed(target: str, before: Evaluation, after: Evaluation, level: float) -> bool:
    held_out = [name for name in after.scores if name != target]
    fell = sum(_change(name, before, after, level) < 0 for name in held_out)
    return fell > len(held_out) / 2 and target in after.scores and _change(target, before, after, level) > 0


def _change(name: str, before: Evaluation, after: Evaluation, level: float) -> int:
    """Whether a ranker's figure rose (1), fell (-1) or neither for certain."""
    if name in before.images and name in after.images:
        return change(before.images[name], after.images[name], level=level)
    figures = before.scores.get(name, math.nan), after.scores[name]
    return (figures[1] > figures[0]) - (figures[1] < figures[0])


def _strictly(ranker: Ranker, groups: Sequence[Group], name: str) -> list[Ranking]:
    """As `rank_groups`, but a failure is an error, not an abstention."""
    try:
        return check_rankings(ranker.rank(groups), groups, name)
    except RunStopped:
        raise
    except (Exception, SystemExit) as error:  # whatever a plugin's code raises
        raise RankkitError(f"the ranker {name} failed in the first evaluation: {describe(error)}") from error


def _figures(
    rank: Rank, now: Sequence[Sample], base: Sequence[Sample], prompts: Sequence[Prompt]
) -> tuple[Figures, list[Ranking]]:
    """What a ranker's figure, as `Evaluation` describes it, is the mean of, and the rankings behind it."""
    every = [one.metadata for one in prompts]
    (alone,) = rank(duels(now[0], base[0], every[0])[:1])
    if alone.kind == "pointwise":
        groups = [
            sample.group(f"evaluation/{index}", metadata)
            for index, (sample, metadata) in enumerate(zip(now, every, strict=True))
        ]
        rankings = rank(groups)
        return [list(ranking.scores) for ranking in rankings], rankings
    pairs = [duels(*three) for three in zip(now, base, every, strict=True)]
    rankings = rank([pair for prompt in pairs for pair in prompt])
    outcomes = iter(map(outcome, rankings))
    return [[next(outcomes) for _ in prompt] for prompt in pairs], rankings
