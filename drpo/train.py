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

from drpo.anchors import AnchorSource, Drawn, Turn, turn_of
from drpo.base import BaseSamples
from drpo.config import Config
from drpo.loss import drpo_loss
from drpo.overlap import OneStepBehind
from drpo.types import FeatureMap, Generator, LogRow, Sample, assign, clock, copies, peak_mb
from rankkit import RankkitError
from rankkit.plugin import say

MEANS = ("reward", "abstained", "equal", "broken", "skipped", "loss", "field_rms", "reference")
PHASES = ("generate", "decode", "rank", "reference", "features", "backward")


class Trainer:
    """One run's state: the generator's trainable weights, their optimizer, their moving average, and the
    steps done.

    Noises and the order of prompts depend on the seed and the step alone, so a resumed run repeats what an
    uninterrupted one does. `at_once` prompts go through the network, to the ranker and backward together, all
    of a step unless it is set (`drpo.run.memory`); where memory does not suffice, it is halved.
    """

    at_once = sys.maxsize
    loss = staticmethod(drpo_loss)  # of one prompt; benchmarks try others

    def __init__(
        self, config: Config, generator: Generator, features: FeatureMap, source: AnchorSource
    ) -> None:
        self.config, self.generator, self.features = config, generator, features
        self.base = BaseSamples(config, generator, features)
        behind = OneStepBehind(source, config, self.base)
        self.behind = behind if config.overlap == "one_step" else None
        self.source: AnchorSource = self.behind or source
        self.accelerator = Accelerator()
        self.weights = list(generator.parameters().values())
        self.optimizer = torch.optim.AdamW(
            self.weights, config.learning_rate, betas=(0.9, config.beta2), weight_decay=1e-4
        )
        self.scaler = torch.amp.GradScaler(self.weights[0].device.type, enabled=config.precision == "fp16")
        self.average = copies(self.weights)
        self.steps_done = 0
        self.seconds: dict[str, float] = {}
        self._earlier: list[Tensor] = []  # that made the candidates of the coming step, one step behind

    def step(self) -> LogRow:
        """One optimizer step over this step's prompts, and what there is to log about it.

        `reward` is the mean score of the candidates that were ranked; `abstained`, `equal`, `broken` and
        `skipped` count, per prompt, candidates without a score, groups of equals, groups with something that
        is not a finite number, and groups that taught nothing. All are means over prompts and processes.
        ``s_*`` are seconds of this process, `peak_mb` its memory.
        """
        config = self.config
        self.seconds = dict.fromkeys(PHASES, 0.0)
        earlier = copies(self.weights) if self.behind else []
        while (rows := self._gradients()) is None:  # memory did not suffice
            self.optimizer.zero_grad()
        logged = self._means(rows)
        if logged["skipped"] < 1:  # else there is no gradient, and no decay or momentum either
            self._average_gradients()
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
        self.steps_done, self._earlier = self.steps_done + 1, earlier
        seconds = {f"s_{name}": spent for name, spent in self.seconds.items()}
        return logged | {"step": self.steps_done, "peak_mb": peak_mb()} | seconds

    def _gradients(self) -> list[LogRow] | None:
        """Accumulate this step's gradients; a row per turn, or None where memory did not suffice and less is
        to be held at once.
        """
        try:
            parts = self._parts(self.steps_done)
            goes_on = self.source.elsewhere and self.steps_done + 1 < self.config.steps
            following = [*parts[1:], *(self._parts(self.steps_done + 1)[:1] if goes_on else [[]])]
            pairs = zip(parts, following, strict=False)
            return [row for part, then in pairs for row in self._learn(part, then)]
        except torch.OutOfMemoryError as error:
            if not self._hold_less():
                config, device = self.config, self.weights[0].device
                raise RankkitError(
                    f"no memory is left on {device} for {config.group_size} candidates of a prompt: lower "
                    f"group_size= (at least twice anchors={config.anchors}), give the ranker another device, "
                    "or take precision=bf16"
                ) from error
        return None

    def _learn(self, turns: Sequence[Turn], following: Sequence[Turn] = ()) -> list[LogRow]:
        """Accumulate the gradients of some turns, their networks called together; a row per turn."""
        config, generator, source, timed = self.config, self.generator, self.source, self._timed
        # gradients are averaged over processes
        share = self.accelerator.num_processes / config.prompts_per_step
        with timed("generate", made := list[Sample]()):
            made += self.behind.ahead(turns) if self.behind else []
        with timed("rank"):
            drawn = [source.draw(generator, turn) for turn in turns]
        with timed("generate"):
            samples = generator.sample_all([turn.prompt for turn in turns], [one.noise for one in drawn])
        if len(turns) > 1 and not all(sample.latents.isfinite().all() for sample in samples):
            # in a graph of its own a broken group spoils no other's gradient
            return [row for turn in turns for row in self._learn([turn])]
        with timed("features", samples):
            points = [self.features(sample) for sample in samples]
        with timed("reference"):
            shown, seen = self.base.beside(turns, drawn, samples, points)
        with timed("rank", shown):  # order only; the ranker sees no graph
            answer = source.ask(turns, shown, drawn)
        if source.elsewhere:  # while it answers, what does not depend on it
            self._see_base(turns, drawn)
            self._see_base(following, [source.draw(generator, turn) for turn in following])
        with timed("rank"):
            drawn = answer()
            found = [source.anchors(*each) for each in zip(turns, samples, seen, drawn, strict=True)]
        rows = [row | one.row | {"skipped": 1.0} for one, (_, row) in zip(drawn, found, strict=True)]
        taught = {i: anchors for i, (anchors, _) in enumerate(found) if anchors}  # with a preference
        self._see_base([turns[i] for i in taught], [drawn[i] for i in taught])
        losses: list[Tensor] = []
        for i, anchors in taught.items():
            start = self.base.features_of(turns[i]) if config.reference_weight else {}
            loss, sizes = self.loss(points[i], anchors, start, config)
            if not math.isfinite(loss.item()):
                rows[i]["broken"] = 1.0
                continue
            losses.append(loss)
            rows[i] |= sizes | {"skipped": 0.0, "loss": loss.item()}
        if losses:
            with timed("backward"):
                self.scaler.scale(torch.stack(losses).sum() * share).backward()
        self.base.forget(turns)
        return rows

    def _see_base(self, turns: Sequence[Turn], drawn: Sequence[Drawn]) -> None:
        if self.config.reference_weight:
            with self._timed("reference"):
                self.base.see(turns, drawn)

    def _hold_less(self) -> bool:
        """Whether less can be held in memory at once; from now on it is, and one line says so."""
        held, generator = min(self.at_once, len(list(self.turns()))), self.generator
        if held > 1:
            self.at_once = held // 2
            say(f"memory does not suffice for {held} prompts at once; going on with {self.at_once}")
        elif self.config.checkpointing == "auto" and not getattr(generator, "checkpointing", True):
            generator.use_checkpointing(True)  # type: ignore[attr-defined]
            say("memory does not suffice for a prompt's activations; going on with checkpointing=on")
        else:
            return False
        return True

    def _parts(self, step: int) -> list[list[Turn]]:
        """The turns of a step, as many together as are held at once."""
        turns = list(self.turns(step))
        size = min(self.at_once, max(1, len(turns)))
        return [turns[at : at + size] for at in range(0, len(turns), size)]

    def turns(self, step: int | None = None) -> Iterator[Turn]:
        """The turns of a step, of the coming one if none is given, that are this process'."""
        config, processes = self.config, self.accelerator.num_processes
        first = config.prompts_per_step * (self.steps_done if step is None else step)
        for place in range(self.accelerator.process_index, config.prompts_per_step, processes):
            yield turn_of(first + place, config, self.source)

    def state(self) -> dict[str, Any]:
        """Everything that decides how the run goes on."""
        weights = {"weights": copies(self.weights), "average": self.average, "earlier": self._earlier}
        kept = {"optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict()}
        return {"step": self.steps_done} | weights | kept

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state`."""
        self.steps_done, self._earlier = state["step"], state.get("earlier", [])
        if self.behind and self._earlier and self.steps_done < self.config.steps:
            self.behind.again(self._earlier, self._parts(self.steps_done))
        assign(self.weights + self.average, state["weights"] + state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside it the generator carries the averaged weights: what is saved and evaluated."""
        current = copies(self.weights)
        assign(self.weights, self.average)
        try:
            yield
        finally:
            assign(self.weights, current)

    def _average_gradients(self) -> None:
        """Over processes, in one flat buffer; what got no gradient gets zeros."""
        for weight in self.weights:
            weight.grad = torch.zeros_like(weight) if weight.grad is None else weight.grad
        if self.accelerator.num_processes > 1:
            gradients = [weight.grad for weight in self.weights if weight.grad is not None]
            flat = self.accelerator.reduce(torch.cat([each.flatten() for each in gradients]), "mean")
            for each, part in zip(gradients, flat.split([each.numel() for each in gradients]), strict=True):
                each.copy_(part.view_as(each))

    def _update_average(self) -> None:
        # A short memory while there is little to remember.
        decay = min(self.config.ema, (self.steps_done + 1) / (self.steps_done + 10))
        with torch.no_grad():
            for mean, weight in zip(self.average, self.weights, strict=True):
                mean.lerp_(weight, 1 - decay)

    def _means(self, rows: Sequence[LogRow]) -> LogRow:
        """Per name the mean over the turns that have it, over all processes."""
        sums = [[sum(row.get(name, 0.0) for row in rows), sum(name in row for row in rows)] for name in MEANS]
        several = self.accelerator.num_processes > 1
        found = torch.tensor(sums, dtype=torch.float64, device=self.accelerator.device if several else "cpu")
        total, count = self.accelerator.reduce(found, "sum").cpu().unbind(1)
        return {name: (total[i] / count[i]).item() for i, name in enumerate(MEANS) if count[i]}

    @contextmanager
    def _timed(self, phase: str, samples: Sequence[Sample] = ()) -> Iterator[None]:
        """Count the time inside as `phase`; what `samples` spend on decoding meanwhile, as decoding."""
        device, before = self.weights[0].device, sum(sample.seconds for sample in samples)
        started = clock(device)
        yield
        decoding = sum(sample.seconds for sample in samples) - before
        self.seconds["decode"] += decoding
        self.seconds[phase] += clock(device) - started - decoding
