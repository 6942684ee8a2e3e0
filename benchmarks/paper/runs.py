"""One run: a method with its settings and a seed to a row of results."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.baselines import METHODS, Diverged, Learner, at_inference
from benchmarks.baselines.proxy import trained
from benchmarks.offline import preferences
from benchmarks.paper.plan import QUICK_PROMPTS, QUICK_STEPS, STEPS, TUNING_STEPS
from benchmarks.paper.published import published
from benchmarks.training import Floats, Measured, interval, measure, summary
from drpo import build
from drpo.anchors import RankedAnchors
from drpo.config import Config
from drpo.data.prompts import prompts
from drpo.generators.one_step import OneStep
from drpo.run import setup
from drpo.settings import with_settings
from drpo.shapes.world import Split
from drpo.train import Trainer

WORK = Path(__file__).parents[2] / "build" / "paper"  # what runs share: the proxy, preferences from the base
PROXY = WORK / "proxy.pt"
BELOW = 0.1  # a reward this far below the base's is called diverged
KNOB = "knob="  # a baseline's own setting, among those that the config knows


@dataclass(frozen=True, slots=True)
class Run:
    """What decides a row: the method, settings over the published ones (a baseline's own as ``knob=…``), the
    seed, the prompts it is measured on, and whether it is short.
    """

    method: str
    settings: tuple[str, ...]
    seed: int
    split: Split = "final"
    quick: bool = False

    def config(self) -> Config:
        """The settings of the run; ``offline=…`` takes the preferences that the base's images make."""
        chosen = [setting for setting in self.settings if not setting.startswith(KNOB)]
        if any(setting.startswith("offline=") for setting in chosen):
            chosen += ["ranker=", f"preferences={WORK / 'preferences' / 'preferences.jsonl'}"]
        steps = QUICK_STEPS if self.quick else TUNING_STEPS if self.split == "tuning" else STEPS
        chosen += [f"prompts_per_step={QUICK_PROMPTS}"] * self.quick
        return with_settings(published(), [f"steps={steps}", *chosen, f"seed={self.seed}", "held_out="])

    @property
    def measured_every(self) -> int:
        """Steps between two points of the curve; a try needs its end alone."""
        return TUNING_STEPS if self.split == "tuning" else QUICK_STEPS // 2 if self.quick else STEPS // 4

    @property
    def knob(self) -> float:
        """The baseline's own setting."""
        return next(float(one.removeprefix(KNOB)) for one in self.settings if one.startswith(KNOB))


Made = Callable[[Run, Config], tuple[Trainer, dict[str, Any]]]
"""A run and its settings to what trains, and what is to be said of it in the row."""


def identity(run: Run) -> dict[str, Any]:
    """What a row must have in common with a run to be its result, in JSON's types.

    Where these change, rows of the earlier one no longer count; settings that a row does not know had
    their defaults.
    """
    config = dataclasses.asdict(run.config()) | {"preferences": ""}
    for name in ("held_out", "validation", "eval_every", "on_alarm", "checkpoint_every", "patience"):
        config.pop(name)  # they decide nothing here
    own = {"method": run.method, "seed": run.seed, "split": run.split, "quick": run.quick}
    knobs = [setting for setting in run.settings if setting.startswith(KNOB)]
    found: dict[str, Any] = json.loads(json.dumps({**own, "knobs": knobs, "config": config}))
    return found


def execute(run: Run, made: Made | None = None, command: str = "") -> dict[str, Any]:
    """Train once and measure; the row. A run that diverges is a row that says so.

    `made` makes the trainer of a run whose method is none of these, and `command` is its own.
    """
    torch.set_num_threads(1)
    started, load = time.time(), round(os.getloadavg()[0], 1)
    figures = _untrained(run) if run.method.startswith("best_of:") else _trained(run, made or _trainer)
    after, before = figures.get("after"), figures["before"]
    if after is not None and after < before - BELOW:
        figures.setdefault("diverged", f"the share of right images fell from {before:.3f} to {after:.3f}")
    return {
        "benchmark": "paper",
        "date": f"{datetime.date.today()}",
        "command": command or f"python -m benchmarks.paper run{' --quick' * run.quick}",
        **identity(run),
        "settings": list(run.settings),
        **figures,
        "wall_seconds": round(time.time() - started, 1),
        "load": load,
    }


def _trained(run: Run, made: Made) -> dict[str, Any]:
    config, ranker = run.config(), build.ranker("shapes")
    trainer, more = made(run, config)
    before = _before(run.split)
    along, busy, phases = list[dict[str, float]](), 0.0, list[dict[str, float]]()
    try:
        for step in range(1, config.steps + 1):
            began = time.process_time()
            phases.append({name: v for name, v in trainer.step().items() if name.startswith("s_")})
            busy += time.process_time() - began
            if step == config.steps or step % run.measured_every == 0:
                with trainer.averaged():
                    after = measure(_one_step(trainer), ranker, run.split)
                along.append({"step": step, **_glance(before, after)})
    except Diverged as error:
        said = f"{error} at step {step}"
        return _base(before) | more | {"diverged": said, "along": along, "cpu_seconds": round(busy, 1)}
    seconds = {name: round(sum(row[name] for row in phases) / len(phases), 3) for name in phases[0]}
    images = config.steps * config.prompts_per_step * config.group_size
    return _figures(before, after, run.split) | more | {
        "along": along, "cpu_seconds": round(busy, 1), "seconds_per_step": seconds, "images": images
    }  # fmt: skip


def _trainer(run: Run, config: Config) -> tuple[Trainer, dict[str, Any]]:
    """What trains by the run's method, and what is to be said of it in the row."""
    if run.method == "drpo":
        if config.preferences:
            preferences_from_base()
        return setup.trainer(config)[0], {}
    method, torch_seed = METHODS[run.method], config.seed
    torch.manual_seed(torch_seed)  # the adapters' first weights, as in drpo's own set-up
    generator = build.generator(config)
    assert isinstance(generator, OneStep)
    proxy, said = trained(generator, PROXY) if method.needs_gradient else (None, {})
    source = RankedAnchors(build.ranker(config.ranker), config, prompts(config.prompts))
    features = build.features(config, generator)
    learner = Learner(config, generator, features, source, method, run.knob, proxy)
    return learner, {"proxy": said} if said else {}


def _untrained(run: Run) -> dict[str, Any]:
    """The best of several images of the base, by the ranker."""
    count = int(run.method.removeprefix("best_of:"))
    generator = build.generator(run.config())
    assert isinstance(generator, OneStep)
    began = time.process_time()
    after = at_inference.measure(generator, build.ranker("shapes"), run.split, count, run.seed)
    busy = round(time.process_time() - began, 1)
    return _figures(_before(run.split), after, run.split) | {"cpu_seconds": busy, "images_per_use": count}


@functools.lru_cache
def _before(split: Split) -> Measured:
    """The base, which is the same for every run."""
    generator = build.generator(published())
    assert isinstance(generator, OneStep)
    with generator.reference():
        return measure(generator, build.ranker("shapes"), split)


def preferences_from_base() -> None:
    """The base's best and worst images as files, made once."""
    folder = WORK / "preferences"
    if not (folder / "preferences.jsonl").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        preferences(folder, prompts("shapes"))


def _one_step(trainer: Trainer) -> OneStep:
    assert isinstance(trainer.generator, OneStep)
    return trainer.generator


def _glance(before: Measured, now: Measured) -> dict[str, float]:
    """Right, the graded reward, and the diversity against the start's."""
    shares = now.passed.mean(), now.score.mean(), now.spread / before.spread
    return dict(zip(("after", "score", "diversity"), (round(float(each), 4) for each in shares), strict=True))


def _figures(before: Measured, after: Measured, split: Split) -> dict[str, Any]:
    gain: Floats = (after.score - before.score).mean(1)
    score = {"before": _mean(before.score), "after": _mean(after.score), "gain_95": interval(gain, digits=4)}
    return summary(before, after, split) | {"score": score}


def _base(before: Measured) -> dict[str, Any]:
    return {"before": _mean(before.passed), "score": {"before": _mean(before.score)}}


def _mean(values: Floats) -> float:
    return round(float(values.mean()), 4)
