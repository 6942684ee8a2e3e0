"""Other references: what the generator is held near, and how firmly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from statistics import fmean

from drpo.anchors import AnchorSource
from drpo.base import BaseSamples
from drpo.config import Config
from drpo.train import Trainer
from drpo.types import FeatureMap, Generator, LogRow

SEEN = 10  # steps whose mean reward is the start's, and the present one


class Moving(Trainer):
    """The reference is the averaged weights, not the base: it follows the run."""

    def __init__(
        self, config: Config, generator: Generator, features: FeatureMap, source: AnchorSource
    ) -> None:
        super().__init__(config, generator, features, source)
        self.base = Averaged(self)


class Averaged(BaseSamples):
    """Samples of a trainer's averaged weights, in place of the base's."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(trainer.config, trainer.generator, trainer.features)
        self.trainer = trainer

    @contextmanager
    def base(self) -> Iterator[None]:
        """The averaged weights in place of the present ones, which a graph still needs as they are."""
        weights = self.trainer.weights
        present = [weight.data for weight in weights]
        for weight, mean in zip(weights, self.trainer.average, strict=True):
            weight.data = mean
        try:
            yield
        finally:
            for weight, data in zip(weights, present, strict=True):
                weight.data = data


class Adaptive(Trainer):
    """The reference weighs more the more of the reward was gained, as the KL's strength does in Centered
    Reward Distillation (arXiv 2603.14128). The size of the reward, which is at most 1, is read for it.
    """

    def __init__(
        self, config: Config, generator: Generator, features: FeatureMap, source: AnchorSource
    ) -> None:
        super().__init__(replace(config, reference_weight=0.0), generator, features, source)
        self.full, self.rewards = config.reference_weight, list[float]()

    def step(self) -> LogRow:
        """As `Trainer.step`; then the weight of the next one."""
        row = super().step()
        self.rewards += [row["reward"]] if "reward" in row else []
        weight = 2 * self.full * gained(self.rewards)
        self.config = replace(self.config, reference_weight=weight)
        return row


def gained(rewards: Sequence[float], seen: int = SEEN) -> float:
    """Which share, in [0, 1], of what was missing from a reward of 1 at the start is there now."""
    if len(rewards) <= seen:
        return 0.0
    start, now = fmean(rewards[:seen]), fmean(rewards[-seen:])
    return min(1.0, max(0.0, (now - start) / max(1e-9, 1 - start)))
