"""The two runs, and what their evaluations say."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import torch

from benchmarks.paper.published import published
from drpo.config import Config
from drpo.report import kept
from drpo.run import setup
from drpo.run.monitor import Evaluation, alarm, best
from drpo.run.run import run

TARGET = "compressibility"
HELD_OUT = ("shapes", "shapes:mode=strict", "contrast")
EVERY = 4  # steps between two evaluations


def config(steps: int, seed: int, **changed: Any) -> Config:
    """The published method with a reward that is gamed by images with nothing on them."""
    return dataclasses.replace(
        published(), ranker=TARGET, held_out=HELD_OUT, eval_every=EVERY, checkpoint_every=steps,
        steps=steps, seed=seed, group_size=16, anchors=6, prompts_per_step=2, ema=0.9, **changed,
    )  # fmt: skip


def measured(work: Path, steps: int, seed: int) -> dict[str, Any]:
    """Both runs, as a row's figures."""
    torch.set_num_threads(1)
    ended, words = trained(work / "stopped", config(steps, seed))
    full, _ = trained(work / "warned", config(steps, seed, on_alarm="warn"))
    chosen = best(ended, TARGET)
    figures = {
        "steps": steps,
        "seed": seed,
        "target": TARGET,
        "held_out": list(HELD_OUT),
        "alarm": words,
        "stopped_at": ended[-1].step,
        "best_step": chosen.step,
        "first_alarm_of_the_other": _first_alarm(full),
    }
    return figures | {"evaluations": [dataclasses.asdict(one) for one in full]}


def trained(out: Path, settings: Config) -> tuple[list[Evaluation], str]:
    """A run's evaluations, and the alarm that it ended with."""
    trainer, monitor = setup.trainer(settings)
    ending = run(trainer, out, monitor=monitor)
    return kept.evaluations(out), ending.alarm


def _first_alarm(found: list[Evaluation]) -> int | None:
    """The step of the first evaluation that alarms."""
    steps = (found[number].step for number in range(len(found)) if alarm(found[: number + 1], TARGET))
    return next(steps, None)
