"""Where anchors come from while training: the candidates themselves, ordered by a ranker that is asked at
every step.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import Tensor

from drpo.config import Config
from drpo.loss import AnchorFeatures, select_rows
from drpo.preference import split
from drpo.search import search
from drpo.types import Generator, LogRow, Prompt, Sample, fixed_seeds
from rankkit import Ranker, Ranking, RankkitError, RunStopped
from rankkit.plugin import Preference, check_rankings, describe

NOT_FINITE = "the candidates of this prompt are not all finite numbers"


@dataclass(frozen=True, slots=True)
class Turn:
    """One prompt's turn: its number in the run, counted over prompts from 0, the step it belongs to, the seed
    of its noises, and the metadata of its prompt.
    """

    number: int
    step: int
    prompt: str
    seed: int
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Drawn:
    """The noises of a turn's candidates, and what is known of the turn besides.

    Their ranking where others were tried first, and what there is to log of those; the stored `entry` whose
    images are its anchors.
    """

    noise: Tensor
    ranking: Ranking | None = None
    entry: Preference | None = None
    row: LogRow = field(default_factory=dict)


class AnchorSource(Protocol):
    """What decides which prompts are trained on and what attracts and repels their candidates."""

    reason: str
    """Why a candidate got no score last, in words; empty while all got one."""

    def prompt(self, number: int) -> Prompt:
        """The prompt of a turn; endless, and decided by the seed and the number alone."""
        ...

    def draw(self, generator: Generator, turn: Turn) -> Drawn:
        """The noises of a turn's candidates."""
        ...

    def anchors(
        self, turn: Turn, sample: Sample, points: Mapping[str, Tensor], drawn: Drawn
    ) -> tuple[AnchorFeatures | None, LogRow]:
        """The features of the anchors of a sample, or None without a preference, and what to log of it."""
        ...


class RankedAnchors:
    """The best and the worst candidates of each prompt, by a ranker's order alone: it sees no graph, and its
    scores' size never matters.
    """

    def __init__(self, ranker: Ranker, config: Config, prompts: Sequence[Prompt]) -> None:
        if not prompts:
            raise RankkitError("there are no prompts to train on; give a file with one prompt per line")
        self.ranker, self.config, self.prompts = ranker, config, tuple(prompts)
        self.reason = ""

    def prompt(self, number: int) -> Prompt:
        """Every prompt once, in an order of its own, before any comes again."""
        epoch, place = divmod(number, len(self.prompts))
        order = random.Random(f"{self.config.seed}/{epoch}").sample(
            range(len(self.prompts)), len(self.prompts)
        )
        return self.prompts[order[place]]

    def draw(self, generator: Generator, turn: Turn) -> Drawn:
        """`group_size` noises; with `max_rounds`, as many rounds as it takes for a ranker that mostly says
        the same.
        """
        config = self.config
        if config.max_rounds == 1:
            return Drawn(generator.noise(config.group_size, turn.seed))
        noise, ranking, judged = search(
            generator,
            turn.prompt,
            self._rounds(generator, turn.seed),
            lambda sample: self.order(turn, sample),
            config.anchors,
        )
        # logged of all that were searched, not of the chosen
        return Drawn(noise, ranking, row=ranking_row(judged))

    def anchors(
        self, turn: Turn, sample: Sample, points: Mapping[str, Tensor], drawn: Drawn
    ) -> tuple[AnchorFeatures | None, LogRow]:
        """The rows of `points` of the best and the worst candidates."""
        ranking = drawn.ranking or self.order(turn, sample)
        found = split(ranking, self.config.anchors)
        return (select_rows(points, found) if found else None), ranking_row(ranking)

    def order(self, turn: Turn, sample: Sample) -> Ranking:
        """The ranker's ranking of a sample; one with anything but finite numbers in it abstains as a whole,
        before anyone sees it.

        Raises `RankkitError`, naming the ranker and the prompt, when the ranker fails or loses count.
        """
        count = len(sample.shown)
        if not sample.shown.isfinite().all():
            self.reason = NOT_FINITE
            return Ranking((math.nan,) * count, details=({"error": NOT_FINITE},) * count)
        group = sample.group(f"step-{turn.step}", turn.metadata)
        try:
            (ranking,) = check_rankings(self.ranker.rank([group]), [group], self.config.ranker)
        except RunStopped:
            raise
        except (Exception, SystemExit) as error:  # whatever a plugin's code raises
            at = f"at step {turn.step + 1}, on {turn.prompt!r}"
            raise RankkitError(f"the ranker {self.config.ranker} failed {at}: {describe(error)}") from error
        reasons = [str(details["error"]) for details in ranking.details if "error" in details]
        self.reason = reasons[0] if reasons else self.reason
        return ranking

    def _rounds(self, generator: Generator, seed: int) -> Iterator[Tensor]:
        for _, number in zip(range(self.config.max_rounds), fixed_seeds(seed), strict=False):
            yield generator.noise(self.config.group_size, number)


def ranking_row(ranking: Ranking) -> LogRow:
    """What there is to log of a ranking: abstentions, whether all are equal, whether it is broken, the mean
    score as `reward`.
    """
    scores = [score for score in ranking.scores if not math.isnan(score)]
    row = {"abstained": float(len(ranking.scores) - len(scores)), "equal": float(len(set(scores)) == 1)}
    row["broken"] = float(any(details.get("error") == NOT_FINITE for details in ranking.details))
    return row | ({"reward": sum(scores) / len(scores)} if scores else {})
