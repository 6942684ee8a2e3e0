"""Training: prompts → candidates → ranking → drift → loss → step (arXiv 2606.02521, one update at a time)."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from drpo.anchors import AnchorSource, Turn
from drpo.config import Config
from drpo.loss import drpo_loss
from drpo.types import FeatureMap, Generator, LogRow, Sample, clock, fixed_seeds
from rankkit import RankkitError

MEANS = ("reward", "abstained", "equal", "broken", "skipped", "loss", "field_rms", "reference")
PHASES = ("generate", "decode", "rank", "reference", "features", "backward")


class Trainer:
    """One run's state: the generator's trainable weights, their optimizer, their moving average, and the
    steps done.

    Noises and the order of prompts depend on the seed and the step alone, so a resumed run repeats what an
    uninterrupted one does.
    """

    def __init__(
        self, config: Config, generator: Generator, features: FeatureMap, source: AnchorSource
    ) -> None:
        self.config, self.generator, self.features, self.source = config, generator, features, source
        self.accelerator = Accelerator()
        self.weights = list(generator.parameters().values())
        self.optimizer = torch.optim.AdamW(
            self.weights, config.learning_rate, betas=(0.9, config.beta2), weight_decay=1e-4
        )
        self.scaler = torch.amp.GradScaler(self.weights[0].device.type, enabled=config.precision == "fp16")
        self.average = [weight.detach().clone() for weight in self.weights]
        self.steps_done = 0
        self.seconds: dict[str, float] = {}

    def step(self) -> LogRow:
        """One optimizer step over this step's prompts, and what there is to log about it.

        `reward` is the mean score of the candidates that were ranked; `abstained`, `equal`, `broken` and
        `skipped` count, per prompt, candidates without a score, groups of equals, groups with something that
        is not a finite number, and groups that taught nothing. All are means over prompts and processes.
        ``s_*`` are seconds of this process, `peak_mb` its memory.
        """
        config, generator, features, timed = self.config, self.generator, self.features, self._timed
        share = (
            self.accelerator.num_processes / config.prompts_per_step
        )  # gradients are averaged over processes below
        self.seconds, rows = dict.fromkeys(PHASES, 0.0), list[LogRow]()
        for turn in self.turns():
            with self._enough_memory(turn.prompt):
                with timed("rank"):
                    drawn = self.source.draw(generator, turn)
                with timed("generate"):
                    sample = generator.sample(turn.prompt, drawn.noise)
                with timed("features", sample):
                    points = features(sample)
                with timed("rank", sample):  # order only; the ranker sees no graph
                    anchors, row = self.source.anchors(turn, sample, points, drawn)
                rows.append(row | drawn.row | {"skipped": 1.0})
                if anchors is None:  # nobody preferred anything
                    continue
                with (
                    timed("reference"),
                    generator.reference(),
                    torch.no_grad(),
                ):  # adapters off: no second copy of the model
                    start = (
                        features(generator.sample(turn.prompt, drawn.noise))
                        if config.reference_weight
                        else {}
                    )
                loss, sizes = drpo_loss(points, anchors, start, config)
                if not math.isfinite(loss.item()):
                    rows[-1]["broken"] = 1.0
                    continue
                with timed("backward"):
                    self.scaler.scale(loss * share).backward()
                rows[-1] |= sizes | {"skipped": 0.0, "loss": loss.item()}
        logged = self._means(rows)
        if (
            logged["skipped"] < 1
        ):  # without any preference there is no gradient, and no decay or momentum either
            for weight in self.weights:
                weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
                if self.accelerator.num_processes > 1:
                    weight.grad = self.accelerator.reduce(weight.grad, "mean")
            self.scaler.unscale_(self.optimizer)
            norm = float(torch.nn.utils.clip_grad_norm_(self.weights, config.clip))
            for group in self.optimizer.param_groups:
                group["lr"] = config.learning_rate * min(1.0, (self.steps_done + 1) / max(config.warmup, 1))
            if math.isfinite(norm):  # else the step is left out and counted as broken
                self.optimizer.step()
                self._update_average()
            self.scaler.update()
            self.optimizer.zero_grad()
            logged |= {"gradient": norm} if math.isfinite(norm) else {"broken": 1.0}
        self.steps_done += 1
        seconds = {f"s_{name}": spent for name, spent in self.seconds.items()}
        return logged | {"step": self.steps_done, "peak_mb": _peak_mb()} | seconds

    def turns(self) -> Iterator[Turn]:
        """The turns of this step that are this process'."""
        config, processes = self.config, self.accelerator.num_processes
        for place in range(self.accelerator.process_index, config.prompts_per_step, processes):
            number = self.steps_done * config.prompts_per_step + place
            seed, prompt = next(fixed_seeds(config.seed, number)), self.source.prompt(number)
            yield Turn(number, self.steps_done, prompt.text, seed, prompt.metadata)

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on."""
        weights = [weight.detach().clone() for weight in self.weights]
        kept = {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}
        return {"step": self.steps_done, "weights": weights, "average": self.average} | kept

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        self.steps_done = state["step"]
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

    def _update_average(self) -> None:
        # A short memory while there is little to remember.
        decay = min(self.config.ema, (self.steps_done + 1) / (self.steps_done + 10))
        with torch.no_grad():
            for mean, weight in zip(self.average, self.weights, strict=True):
                mean.lerp_(weight, 1 - decay)

    def _means(self, rows: Sequence[LogRow]) -> LogRow:
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

    @contextmanager
    def _enough_memory(self, prompt: str) -> Iterator[None]:
        """Say what to lower where the device has no memory left."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            config = self.config
            raise RankkitError(
                f"no memory is left on {self.weights[0].device} for {config.group_size} candidates "
                f"of {prompt!r}: lower "
                f"group_size= (at least twice anchors={config.anchors}), give the ranker another device, or "
                f"take precision=bf16"
            ) from error


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
