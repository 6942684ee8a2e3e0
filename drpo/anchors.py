"""Where anchors come from while training: the candidates themselves, ordered by a ranker that is asked at
every step.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from torch import Tensor

from drpo.config import Config
from drpo.loss import AnchorFeatures, select_rows
from drpo.preference import split
from drpo.search import search
from drpo.types import Generator, LogRow, Prompt, Sample, fixed_seeds, mean
from drpo.waiting import begun
from rankkit import Group, Ranker, Ranking, RankkitError, RunStopped
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

    Their ranking once it is there, and what there is to log of others that were tried first; the stored
    `entry` whose images are its anchors.
    """

    noise: Tensor
    ranking: Ranking | None = None
    entry: Preference | None = None
    row: LogRow = field(default_factory=dict)


class AnchorSource(Protocol):
    """What decides which prompts are trained on and what attracts and repels their candidates."""

    @property
    def reason(self) -> str:
        """Why a candidate got no score last, in words; empty while all got one."""
        ...

    elsewhere: bool
    """Whether it answers from another process or machine, so that this one has time meanwhile."""

    def prompt(self, number: int) -> Prompt:
        """The prompt of a turn; endless, and decided by the seed and the number alone."""
        ...

    def draw(self, generator: Generator, turn: Turn) -> Drawn:
        """The noises of a turn's candidates."""
        ...

    def ask(
        self, turns: Sequence[Turn], samples: Sequence[Sample], drawn: Sequence[Drawn]
    ) -> Callable[[], list[Drawn]]:
        """Ask about the samples of several turns at once; what is returned waits for the answer: `drawn`,
        with their rankings.
        """
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
        self.elsewhere = config.max_rounds == 1 and bool(getattr(ranker, "elsewhere", False))
        self.elsewhere &= config.overlap == "exact"  # else `drpo.overlap` has a thread for every ranker

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

    def ask(
        self, turns: Sequence[Turn], samples: Sequence[Sample], drawn: Sequence[Drawn]
    ) -> Callable[[], list[Drawn]]:
        """Ask the ranker once about all samples that have no ranking yet; one that is elsewhere answers while
        this process goes on.
        """
        unranked = [i for i, one in enumerate(drawn) if one.ranking is None]
        rank = self._asked([turns[i] for i in unranked], [samples[i] for i in unranked])
        answer = begun(rank) if self.elsewhere and unranked else rank

        def judged() -> list[Drawn]:
            found = dict(zip(unranked, answer(), strict=True))
            return [replace(one, ranking=found.get(i, one.ranking)) for i, one in enumerate(drawn)]

        return judged

    def anchors(
        self, turn: Turn, sample: Sample, points: Mapping[str, Tensor], drawn: Drawn
    ) -> tuple[AnchorFeatures | None, LogRow]:
        """The rows of `points` of the best and the worst that were ranked; none where the candidates, which
        come first among them, are equals.
        """
        assert drawn.ranking is not None, "what `ask` answered is handed on"
        own, size = first(drawn.ranking, len(sample.latents)), self.config.anchors
        found = split(drawn.ranking, size) if split(own, size) else None
        return (select_rows(points, found) if found else None), ranking_row(own)

    def order(self, turn: Turn, sample: Sample) -> Ranking:
        """The ranker's ranking of a sample; see `ask`."""
        (ranking,) = self._asked([turn], [sample])()
        return ranking

    def _asked(self, turns: Sequence[Turn], samples: Sequence[Sample]) -> Callable[[], list[Ranking]]:
        """A function that ranks samples, which are decoded here and now; one with anything but finite numbers
        in it abstains as a whole, before anyone sees it.
        """
        finite = [bool(sample.shown.isfinite().all()) for sample in samples]
        groups = [
            sample.group(f"step-{turn.step}/{turn.number}", turn.metadata)
            for turn, sample, whole in zip(turns, samples, finite, strict=True)
            if whole
        ]

        def rank() -> list[Ranking]:
            rankings = iter(self._rank(groups, turns[0].step) if groups else ())
            return [
                next(rankings) if whole else self._broken(len(sample.latents))
                for sample, whole in zip(samples, finite, strict=True)
            ]

        return rank

    def _rank(self, groups: Sequence[Group], step: int) -> Sequence[Ranking]:
        """Raises `RankkitError`, naming the ranker and the prompts, when the ranker fails or loses count."""
        try:
            rankings = check_rankings(self.ranker.rank(groups), groups, self.config.ranker)
        except RunStopped:
            raise
        except (Exception, SystemExit) as error:  # whatever a plugin's code raises
            more = f" and {len(groups) - 1} more" if len(groups) > 1 else ""
            at = f"at step {step + 1}, on {groups[0].prompt!r}{more}"
            raise RankkitError(f"the ranker {self.config.ranker} failed {at}: {describe(error)}") from error
        self.reason = next((why for ranking in rankings for why in reasons(ranking)), self.reason)
        return rankings

    def _broken(self, count: int) -> Ranking:
        self.reason = NOT_FINITE
        return Ranking((math.nan,) * count, details=({"error": NOT_FINITE},) * count)

    def _rounds(self, generator: Generator, seed: int) -> Iterator[Tensor]:
        for _, number in zip(range(self.config.max_rounds), fixed_seeds(seed), strict=False):
            yield generator.noise(self.config.group_size, number)


def turn_of(number: int, config: Config, source: AnchorSource) -> Turn:
    """The turn of that number: its noises depend on the seed and the number alone."""
    seed, prompt = next(fixed_seeds(config.seed, number)), source.prompt(number)
    return Turn(number, number // config.prompts_per_step, prompt.text, seed, prompt.metadata)


def first(ranking: Ranking, count: int) -> Ranking:
    """The scores of the first `count` of a group, which keep their order among themselves."""
    return Ranking(ranking.scores[:count], details=ranking.details[:count])


def reasons(ranking: Ranking) -> list[str]:
    """Why candidates got no score, one for each that got none."""
    details = ranking.details or ({},) * len(ranking.scores)
    return [
        str(one.get("error") or "the ranker abstained and did not say why")
        for score, one in zip(ranking.scores, details, strict=True)
        if math.isnan(score)
    ]


def ranking_row(ranking: Ranking) -> LogRow:
    """What there is to log of a ranking: abstentions, whether all that were ranked (two at least) are equal,
    whether it is broken, the mean score as `reward`.
    """
    scores = [score for score in ranking.scores if not math.isnan(score)]
    equal = len(scores) > 1 and len(set(scores)) == 1
    row = {"abstained": float(len(ranking.scores) - len(scores)), "equal": float(equal)}
    row["broken"] = float(any(details.get("error") == NOT_FINITE for details in ranking.details))
    return row | ({"reward": mean(scores)} if scores else {})
