"""The next step's candidates, made and asked about while this step is still being learned from
(``overlap=one_step``).

So nobody waits for a ranker that takes as long as an update. What it changes: the anchors of an update are
candidates of the weights before the last update, and so one step off-policy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from drpo.anchors import AnchorSource, Drawn, Turn, turn_of
from drpo.base import BaseSamples
from drpo.config import Config
from drpo.loss import AnchorFeatures
from drpo.types import Generator, LogRow, Prompt, Sample, assign
from drpo.waiting import begun


@dataclass(frozen=True, slots=True)
class Pending:
    """A turn that was asked about: the features of what was ranked, and where the answer comes to."""

    turn: Turn
    points: Mapping[str, Tensor]
    answer: Callable[[], Drawn]


class OneStepBehind:
    """Anchors of a turn from candidates that `ahead` made one step before: same prompt, same noises, earlier
    weights.

    Questions are answered one after the other, in the order in which they were asked, in a thread; what goes
    wrong there is raised by the step whose candidates they are.
    """

    def __init__(self, source: AnchorSource, config: Config, base: BaseSamples) -> None:
        self.source, self.config, self.base = source, config, base
        self.generator, self.features = base.generator, base.features
        self.elsewhere = True  # what does not depend on an answer is done before it is waited for
        self._pending: dict[int, Pending] = {}
        self._last: Callable[[], object] = lambda: None  # waits for the question before

    @property
    def reason(self) -> str:
        """Why a candidate got no score last."""
        return self.source.reason

    def prompt(self, number: int) -> Prompt:
        """The source's own."""
        return self.source.prompt(number)

    def draw(self, generator: Generator, turn: Turn) -> Drawn:
        """The source's own."""
        return self.source.draw(generator, turn)

    def ahead(self, turns: Sequence[Turn]) -> list[Sample]:
        """Make the candidates of the next step's turns at the same places, by the weights as they are now,
        and ask about them; before that those of `turns` themselves where none were made.

        None are made for what comes after the last step. Returned for the time that decoding took.
        """
        each, steps = self.config.prompts_per_step, self.config.steps
        following = [
            turn_of(turn.number + each, self.config, self.source) for turn in turns if turn.step + 1 < steps
        ]
        return self._begin(turns) + self._begin(following)

    def again(self, weights: Sequence[Tensor], parts: Sequence[Sequence[Turn]]) -> None:
        """Overwrite the generator's weights, and ask by these about turns, as a run did that goes on here."""
        assign(list(self.generator.parameters().values()), weights)
        for turns in parts:
            self._begin(turns)

    def _begin(self, turns: Sequence[Turn]) -> list[Sample]:
        new = [turn for turn in turns if turn.number not in self._pending]
        if not new:
            return []
        with torch.no_grad():
            drawn = [self.source.draw(self.generator, turn) for turn in new]
            samples = self.generator.sample_all([turn.prompt for turn in new], [one.noise for one in drawn])
            points = [self.features(sample) for sample in samples]
            shown, seen = self.base.beside(new, drawn, samples, points)
            self._last = answer = begun(self.source.ask(new, shown, drawn), after=self._last)
            for i, (turn, each) in enumerate(zip(new, seen, strict=True)):
                self._pending[turn.number] = Pending(turn, each, _one(answer, i))
        return list(shown)

    def ask(
        self, turns: Sequence[Turn], samples: Sequence[Sample], drawn: Sequence[Drawn]
    ) -> Callable[[], list[Drawn]]:
        """What was asked one step before; the samples of now are not shown to anybody."""
        first = min(turn.step for turn in turns)
        self._pending = {number: one for number, one in self._pending.items() if one.turn.step >= first}
        asked = [self._pending[turn.number].answer for turn in turns]

        def judged() -> list[Drawn]:
            return [replace(one, ranking=answer().ranking) for one, answer in zip(drawn, asked, strict=True)]

        return judged

    def anchors(
        self, turn: Turn, sample: Sample, points: Mapping[str, Tensor], drawn: Drawn
    ) -> tuple[AnchorFeatures | None, LogRow]:
        """Those of the candidates that were asked about, not of the sample."""
        return self.source.anchors(turn, sample, self._pending[turn.number].points, drawn)


def _one(answer: Callable[[], list[Drawn]], place: int) -> Callable[[], Drawn]:
    return lambda: answer()[place]
