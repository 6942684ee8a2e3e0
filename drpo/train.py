"""Training: prompts → candidates → ranking → drift → loss → step (arXiv 2606.02521, one update at a time).

The ranker's order is all that is used of it; it never sees a graph and its scores' size never matters.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from drpo.config import Config
from drpo.loss import Poles, drpo_loss, rows
from drpo.preference import split
from drpo.search import search
from drpo.types import FeatureMap, Generator, Sample, clock, fixed_seeds
from rankkit import Ranker, Ranking, RankkitError, RunStopped

Row = dict[str, float]

MEANS = ("reward", "abstained", "equal", "broken", "skipped", "loss", "force", "reference")
NOT_FINITE = "the candidates of this prompt are not all finite numbers"
PHASES = ("generate", "decode", "rank", "reference", "features", "backward")


class Trainer:
    """One run's state: the generator's trainable weights, their optimizer, their moving average, and the
    step.

    Noises and the order of prompts depend on the seed and the step alone, so a resumed run repeats what an
    uninterrupted one does.
    """

    def __init__(
        self,
        config: Config,
        generator: Generator,
        features: FeatureMap,
        ranker: Ranker,
        prompts: Sequence[str],
    ) -> None:
        if not prompts:
            raise RankkitError("there are no prompts to train on; give a file with one prompt per line")
        self.config, self.generator, self.features, self.ranker, self.prompts = (
            config,
            generator,
            features,
            ranker,
            tuple(prompts),
        )
        self.accelerator = Accelerator()
        self.weights = list(generator.parameters().values())
        self.optimizer = torch.optim.AdamW(
            self.weights, config.learning_rate, betas=(0.9, config.beta2), weight_decay=1e-4
        )
        self.scaler = torch.amp.GradScaler(self.weights[0].device.type, enabled=config.precision == "fp16")
        self.average = [weight.detach().clone() for weight in self.weights]
        self.step = 0
        self.seconds: dict[str, float] = {}
        self.reason = ""  # why a candidate abstained last

    def update(self) -> Row:
        """One optimizer step over this step's prompts, and what there is to log about it.

        `reward` is the mean score of the candidates that were ranked; `abstained`, `equal`, `broken` and
        `skipped` count, per prompt, candidates without a score, groups of equals, groups with something that
        is not a finite number, and groups that taught nothing. All are means over prompts and processes.
        ``s_*`` are seconds of this process, `peak_mb` its memory.
        """
        self.seconds = dict.fromkeys(PHASES, 0.0)
        share = (
            self.accelerator.num_processes / self.config.prompts_per_step
        )  # gradients are averaged over processes afterwards
        row = self._mean([self.learn(prompt, seed, share=share) for prompt, seed in self.turns()])
        if (
            row["skipped"] < 1
        ):  # nobody preferred anything anywhere: no gradient, and no decay or momentum either
            row |= self._descend()
        self.step += 1
        return (
            row
            | {"step": self.step, "peak_mb": _peak_mb()}
            | {f"s_{name}": spent for name, spent in self.seconds.items()}
        )

    def turns(self) -> Iterator[tuple[str, int]]:
        """The prompts of this step that are this process', each with a seed for its noises."""
        config, processes = self.config, self.accelerator.num_processes
        for turn in range(self.accelerator.process_index, config.prompts_per_step, processes):
            index = self.step * config.prompts_per_step + turn
            epoch, place = divmod(index, len(self.prompts))
            order = random.Random(f"{config.seed}/{epoch}").sample(
                range(len(self.prompts)), len(self.prompts)
            )
            yield self.prompts[order[place]], next(fixed_seeds(config.seed, index))

    def learn(self, prompt: str, seed: int, *, share: float) -> Row:
        """Add one prompt's gradient, times `share`, to the weights; a prompt without preference adds nothing
        and is counted.
        """
        try:
            return self._learn(prompt, seed, share)
        except torch.OutOfMemoryError as error:
            raise RankkitError(
                f"no memory is left on {self.weights[0].device} for {self.config.group_size} candidates of {prompt!r}: lower group_size= "
                f"(at least twice anchors={self.config.anchors}), give the ranker another device, or take precision=bf16"
            ) from error

    def _learn(self, prompt: str, seed: int, share: float) -> Row:
        config = self.config
        if config.max_rounds == 1:
            noise, ranking, judged = self.generator.noise(config.group_size, seed), None, None
        else:
            with self._timed("rank"):
                noise, ranking, judged = search(
                    self.generator, prompt, self._rounds(seed), self.order, config.anchors
                )
        with self._timed("generate"):
            sample = self.generator.sample(prompt, noise)
        with self._timed("features", sample):
            points = self.features(sample)
        with self._timed("rank", sample):
            poles, row = self.poles(sample, points, ranking)
        if judged:
            row |= _verdict(judged)  # of all that were searched, not of the chosen
        if poles is None:
            return row | {"skipped": 1.0}
        with self._timed("reference"), self.generator.reference(), torch.no_grad():
            start = self.features(self.generator.sample(prompt, noise)) if config.reference_weight else {}
        loss, info = drpo_loss(points, poles, start, config)
        if not math.isfinite(loss.item()):
            return row | {"skipped": 1.0, "broken": 1.0}
        with self._timed("backward"):
            self.scaler.scale(loss * share).backward()
        return row | info | {"skipped": 0.0, "loss": loss.item()}

    def poles(
        self, sample: Sample, points: Mapping[str, Tensor], ranking: Ranking | None
    ) -> tuple[Poles | None, Row]:
        """What attracts and what repels this sample, or None without a preference, and what to log of the
        ranking.

        `ranking` is the sample's, where it is known already. The anchors' features are rows of `points`:
        nothing is encoded twice.
        """
        ranking = ranking or self.order(sample)
        anchors = split(ranking, self.config.anchors)
        return (rows(points, anchors) if anchors else None), _verdict(ranking)

    def order(self, sample: Sample) -> Ranking:
        """The ranker's verdict on a sample; one with anything but finite numbers in it abstains as a whole,
        before anyone sees it.

        Raises `RankkitError`, naming the ranker and the prompt, when the ranker fails or loses count.
        """
        images = sample.shown
        if not images.isfinite().all():
            self.reason = NOT_FINITE
            return Ranking((math.nan,) * len(images), details=({"error": NOT_FINITE},) * len(images))
        at = f"at step {self.step + 1}, on {sample.prompt!r}"
        try:
            rankings = self.ranker.rank([sample.group(f"step-{self.step}")])
        except RunStopped:
            raise
        except Exception as error:  # whatever a plugin's code raises
            raise RankkitError(
                f"the ranker {self.config.ranker} failed {at}: {type(error).__name__}: {error}"
            ) from error
        if len(rankings) != 1 or len(rankings[0].scores) != len(images):
            count = sum(len(ranking.scores) for ranking in rankings)
            raise RankkitError(
                f"the ranker {self.config.ranker} returned {count} scores for {len(images)} candidates {at}"
            )
        reasons = [str(detail["error"]) for detail in rankings[0].details if "error" in detail]
        self.reason = reasons[0] if reasons else self.reason
        return rankings[0]

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on."""
        weights = [weight.detach().clone() for weight in self.weights]
        kept = {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}
        return {"step": self.step, "weights": weights, "average": self.average} | kept

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        self.step = state["step"]
        _assign(self.weights + self.average, state["weights"] + state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside it the generator carries the averaged weights: what is saved and evaluated."""
        current = [weight.detach().clone() for weight in self.weights]
        _assign(self.weights, self.average)
        try:
            yield
        finally:
            _assign(self.weights, current)

    def _rounds(self, seed: int) -> Iterator[Tensor]:
        for _, number in zip(range(self.config.max_rounds), fixed_seeds(seed), strict=False):
            yield self.generator.noise(self.config.group_size, number)

    def _descend(self) -> Row:
        """One step of the optimizer, unless the gradient is not a finite number: such a step is left out and
        counted as broken.
        """
        config = self.config
        for weight in self.weights:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
            if self.accelerator.num_processes > 1:
                weight.grad = self.accelerator.reduce(weight.grad, "mean")
        self.scaler.unscale_(self.optimizer)
        norm = float(torch.nn.utils.clip_grad_norm_(self.weights, config.clip))
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1.0, (self.step + 1) / max(config.warmup, 1))
        if math.isfinite(norm):
            self.optimizer.step()
            self._remember()
        self.scaler.update()
        self.optimizer.zero_grad()
        return {"gradient": norm} if math.isfinite(norm) else {"broken": 1.0}

    def _remember(self) -> None:
        decay = min(
            self.config.ema, (self.step + 1) / (self.step + 10)
        )  # a short memory while there is little to remember
        with torch.no_grad():
            for mean, weight in zip(self.average, self.weights, strict=True):
                mean.lerp_(weight, 1 - decay)

    def _mean(self, rows: Sequence[Row]) -> Row:
        """Per name the mean over the turns that have it, over all processes."""
        sums = torch.tensor(
            [[sum(row.get(name, 0.0) for row in rows), sum(name in row for row in rows)] for name in MEANS]
        )
        total, count = self.accelerator.reduce(sums.to(self.accelerator.device), "sum").cpu().unbind(1)
        return {name: (total[i] / count[i]).item() for i, name in enumerate(MEANS) if count[i]}

    @contextmanager
    def _timed(self, phase: str, sample: Sample | None = None) -> Iterator[None]:
        """Count the time inside as `phase`; what `sample` spends on decoding meanwhile, as decoding."""
        device, before = self.weights[0].device, sample.seconds if sample else 0.0
        started = clock(device)
        yield
        decoding = sample.seconds - before if sample else 0.0
        self.seconds["decode"] += decoding
        self.seconds[phase] += clock(device) - started - decoding


def _verdict(ranking: Ranking) -> Row:
    scores = [score for score in ranking.scores if not math.isnan(score)]
    counts = {"abstained": float(len(ranking.scores) - len(scores)), "equal": float(len(set(scores)) == 1)}
    counts["broken"] = float(any(detail.get("error") == NOT_FINITE for detail in ranking.details))
    return counts | ({"reward": sum(scores) / len(scores)} if scores else {})


def _peak_mb() -> float:
    """The most memory used so far, in MiB: the GPU's, where there is one, else this process' (0 where the
    system does not tell).
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        import resource
    except ImportError:
        return 0.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 1024)


def _assign(weights: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)
