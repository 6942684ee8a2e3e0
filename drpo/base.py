"""What the base makes of the candidates' noises: what candidates are held near and, with
``ranked=with_base``, what is ranked along with them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property

import torch
from torch import Tensor

from drpo.anchors import Drawn, Turn
from drpo.config import Config
from drpo.types import FeatureMap, Generator, Sample


class BaseSamples:
    """The base's samples of turns, from the same noises as their candidates, and their features; they depend
    on no update, so they may be made ahead, and are kept until they are forgotten.
    """

    def __init__(self, config: Config, generator: Generator, features: FeatureMap) -> None:
        self.generator, self.features = generator, features
        self.ranked = config.ranked == "with_base" and not config.preferences
        self._seen: dict[int, tuple[Sample, Mapping[str, Tensor]]] = {}

    def see(self, turns: Sequence[Turn], drawn: Sequence[Drawn]) -> None:
        """Make what is not kept yet, by one call of the network."""
        wanted = [i for i, turn in enumerate(turns) if turn.number not in self._seen]
        if wanted:
            with self.base(), torch.no_grad():
                samples = self.generator.sample_all(
                    [turns[i].prompt for i in wanted], [drawn[i].noise for i in wanted]
                )
                for i, sample in zip(wanted, samples, strict=True):
                    self._seen[turns[i].number] = sample, self.features(sample)

    def base(self) -> AbstractContextManager[None]:
        """Inside it the generator is the base: adapters off, no second copy of the model."""
        return self.generator.reference()

    def beside(
        self,
        turns: Sequence[Turn],
        drawn: Sequence[Drawn],
        samples: Sequence[Sample],
        points: Sequence[Mapping[str, Tensor]],
    ) -> tuple[Sequence[Sample], Sequence[Mapping[str, Tensor]]]:
        """What is ranked of each turn, and its features: the candidates and, where these are `ranked` too,
        the base's samples behind them, all without a graph then.
        """
        if not self.ranked:
            return samples, points
        self.see(turns, drawn)
        seen = [self._seen[turn.number] for turn in turns]
        shown = [Joined(sample, base) for sample, (base, _) in zip(samples, seen, strict=True)]
        features = [
            {key: torch.cat([z.detach(), base[key]]) for key, z in each.items()}
            for each, (_, base) in zip(points, seen, strict=True)
        ]
        return shown, features

    def features_of(self, turn: Turn) -> Mapping[str, Tensor]:
        """The features of a turn's samples, by key; none of a turn that was not seen."""
        return self._seen[turn.number][1] if turn.number in self._seen else {}

    def forget(self, turns: Sequence[Turn]) -> None:
        """Keep nothing of these turns any more."""
        for turn in turns:
            self._seen.pop(turn.number, None)


class Joined(Sample):
    """The candidates of two samples of one prompt as one, in their order and without a graph; nothing is
    decoded twice.
    """

    def __init__(self, one: Sample, other: Sample) -> None:
        super().__init__(one.prompt, torch.cat([one.latents.detach(), other.latents]), lambda _: self.shown)
        self.parts = one, other

    @cached_property
    def shown(self) -> Tensor:
        """The pixels of both."""
        before = sum(part.seconds for part in self.parts)
        pixels = torch.cat([part.shown for part in self.parts])
        self.seconds += sum(part.seconds for part in self.parts) - before
        return pixels
