"""The loop that every baseline shares: prompts, noises, LoRA, optimizer and averaged weights are drpo's own,
only the loss of one prompt is the baseline's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.baselines.proxy import Proxy
from drpo.anchors import RankedAnchors
from drpo.config import Config
from drpo.generators.one_step import OneStep
from drpo.train import Trainer
from drpo.types import FeatureMap, LogRow, Sample
from rankkit import Ranking, RankkitError


class Diverged(RankkitError):
    """Training left the finite numbers: a result, not a failure of the benchmark."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One prompt's turn: K noises, the generator in training (with its base behind `reference`), and what may
    be asked about images.

    `rank` is the ranker's order with its scores, without a gradient; `reward` the differentiable proxy.
    `knob` is the method's own setting. `draw` is a source of randomness decided by the turn's seed.
    """

    generator: OneStep
    prompt: str
    noise: Tensor
    anchors: int
    knob: float
    rank: Callable[[Sample], Ranking]
    reward: Callable[[Tensor], Tensor]
    draw: torch.Generator

    def sample(self) -> Tensor:
        """Latents (K,C,h,w) of the generator in training, with a graph; raises `Diverged` where they are not
        finite, which a ranker would only abstain on.
        """
        latents = self.generator.sample(self.prompt, self.noise).latents
        if not latents.isfinite().all():
            raise Diverged("the latents are not all finite numbers")
        return latents

    def base(self) -> Tensor:
        """Latents (K,C,h,w) that the base makes of the same noises."""
        with self.generator.reference(), torch.no_grad():
            return self.generator.sample(self.prompt, self.noise).latents

    def explored(self, latents: Tensor, std: float) -> Tensor:
        """Latents moved by Gaussian noise, without a graph: what a policy with this standard deviation around
        the generator draws.
        """
        moved = torch.randn(latents.shape, generator=self.draw).to(latents)
        return latents.detach() + std * moved

    def ranking(self, latents: Tensor) -> Ranking:
        """The ranker's verdict on decoded latents."""
        return self.rank(Sample(self.prompt, latents.detach(), self.generator.decode))


Update = Callable[[Visit], Tensor | None]


@dataclass(frozen=True, slots=True)
class Method:
    """A baseline: the loss of one prompt's turn (None teaches nothing), what its own setting is called, the
    tries it is tuned with as (learning rate, own setting), and whether it needs a gradient of the reward.
    """

    title: str
    update: Update
    knob: str
    tries: tuple[tuple[float, float], ...]
    needs_gradient: bool = False


class Learner(Trainer):
    """drpo's trainer with another loss: same turns, same noises, same optimizer, K images a turn."""

    def __init__(
        self, config: Config, generator: OneStep, features: FeatureMap, source: RankedAnchors,
        method: Method, knob: float, proxy: Proxy | None,
    ) -> None:  # fmt: skip
        super().__init__(config, generator, features, source)
        self.method, self.knob, self.proxy, self.ranked, self.one_step = (
            method,
            knob,
            proxy,
            source,
            generator,
        )

    def step(self) -> LogRow:
        """One optimizer step; raises `Diverged` where a loss or its gradient is not a finite number."""
        started, losses = time.perf_counter(), list[float]()
        for visit in self._visits():
            loss = self.method.update(visit)
            if loss is None:
                continue
            if not math.isfinite(loss.item()):
                raise Diverged("the loss is not a finite number")
            (loss / self.config.prompts_per_step).backward()
            losses.append(loss.item())
        if losses:
            norm = float(torch.nn.utils.clip_grad_norm_(self.weights, self.config.clip))
            if not math.isfinite(norm):
                raise Diverged("the gradient is not a finite number")
            self.optimizer.step()
            self._update_average()
            self.optimizer.zero_grad()
        self.steps_done += 1
        return {"loss": sum(losses) / max(1, len(losses)), "s_update": time.perf_counter() - started}

    def _visits(self) -> list[Visit]:
        """This step's turns, as the methods see them."""
        visits = []
        for turn in self.turns():
            reward = _no_reward if self.proxy is None else _reward(self.proxy, self.one_step, turn.prompt)
            visits.append(
                Visit(
                    self.one_step,
                    turn.prompt,
                    self.one_step.noise(self.config.group_size, turn.seed),
                    self.config.anchors,
                    self.knob,
                    lambda sample, turn=turn: self.ranked.order(turn, sample),  # type: ignore[misc]
                    reward,
                    torch.Generator().manual_seed(turn.seed + 1),
                )
            )
        return visits


def _reward(proxy: Proxy, generator: OneStep, prompt: str) -> Callable[[Tensor], Tensor]:
    return lambda latents: proxy.score(generator.decode(latents).clamp(-1, 1), prompt)


def _no_reward(latents: Tensor) -> Tensor:
    raise AssertionError("this method was to do without a reward's gradient")
