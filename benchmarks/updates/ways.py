"""The ways an update is made in, over equal seeds."""

from __future__ import annotations

import dataclasses
import gc
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.paper.published import published
from benchmarks.record import spread
from drpo.generators.one_step import OneStep
from drpo.run import setup
from drpo.train import Trainer


def one_by_one(trainer: Trainer) -> None:
    trainer.at_once = 1


def together(trainer: Trainer) -> None:
    """As `drpo train` does it."""


def channels_last(trainer: Trainer) -> None:
    _unet(trainer).to(memory_format=torch.channels_last)


def compiled(trainer: Trainer) -> None:
    _unet(trainer).compile()


WAYS: dict[str, Callable[[Trainer], None]] = {
    "one by one": one_by_one, "together": together, "channels last": channels_last, "compiled": compiled
}  # fmt: skip


def ways(names: list[str], updates: int) -> dict[str, Any]:
    """Seconds of an update of the published method in each way, alternating, after one that is not counted,
    and how far the losses are from the first way's.
    """
    trainers, seconds = {}, {name: list[float]() for name in names}
    losses = {name: list[float]() for name in names}
    for name in names:
        config = dataclasses.replace(published(), held_out=(), steps=updates + 1)
        trainers[name] = setup.trainer(config)[0]
        WAYS[name](trainers[name])
    for number in range(updates + 1):
        for name, trainer in trainers.items():
            gc.collect()
            started = time.perf_counter()
            losses[name].append(trainer.step()["loss"])
            seconds[name] += [time.perf_counter() - started] if number else []
    first = losses[names[0]]
    rows = [
        {
            "way": name,
            "seconds": spread(seconds[name]),
            "loss apart": max(abs(a - b) / abs(a) for a, b in zip(first, losses[name], strict=True)),
        }
        for name in names
    ]
    return {"rows": rows}


def _unet(trainer: Trainer) -> Any:
    assert isinstance(trainer.generator, OneStep)
    return trainer.generator.pipe.unet
