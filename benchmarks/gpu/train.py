"""`train`: seconds and memory of the trainer's own update, by phase."""

from __future__ import annotations

import dataclasses
import json
import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from benchmarks.gpu.headline import TINY, drawn, small_mae
from benchmarks.gpu.measure import PROMPT, forget, helpers, peak, watched
from benchmarks.gpu.rankers import loaded
from drpo.anchors import RankedAnchors
from drpo.config import Config
from drpo.features.latent_mae import LatentMae
from drpo.features.teacher_unet import TeacherUNet
from drpo.features.vit_mae import VitMae
from drpo.generators.one_step import OneStep
from drpo.recipes import recipe
from drpo.run import memory
from drpo.train import PHASES, Trainer
from drpo.types import FeatureMap, Prompt

CELLS = {
    "sd_turbo": ("latent_mae", "pickscore"),
    "hpsv3": ("latent_mae", "hpsv3"),
    "sdxl_turbo_mae": ("vit_mae", "pickscore"),
    "sdxl_turbo_unet": ("teacher_unet", "pickscore"),
}


def train(name: str, tiny: bool = False, prompts: int = 2, updates: int = 3) -> dict[str, Any]:
    """Seconds per prompt of the trainer's update in a recipe's settings, by phase, bf16, mean of `updates`
    after a first one; how busy the GPU was.
    """
    features, judge = CELLS[name]
    config = dataclasses.replace(
        recipe(name), prompts_per_step=prompts, prompts="", ranker=judge, **(TINY if tiny else {})
    )
    torch.manual_seed(0)
    forget()
    generator, seen = _networks(config, features, tiny)
    with loaded(judge, tiny=tiny) as ranker:
        source = RankedAnchors(ranker, config, [Prompt(PROMPT), Prompt("a cat")])
        trainer = Trainer(config, generator, seen, source)
        trainer.at_once = memory.at_once(config, generator, seen, prompts)
        trainer.step()
        with watched() as busy:
            started = time.perf_counter()
            logged = [trainer.step() for _ in range(updates)]
            seconds = (time.perf_counter() - started) / updates / prompts
    assert all(math.isfinite(row["loss"]) and row["skipped"] == 0 for row in logged), logged
    row = {
        "recipe": name,
        "features": features,
        "ranker": judge,
        "candidates": config.group_size,
        ("seconds per prompt"): round(seconds, 3),
        "phases": {
            phase: round(statistics.mean(row[f"s_{phase}"] for row in logged) / prompts, 3)
            for phase in PHASES
        },
        "seconds per step of 8 prompts": round(8 * seconds, 1),
        "peak MiB": peak(),
        "busy %": round(statistics.mean(busy)) if busy else None,
        "prompts at once": trainer.at_once,
        "checkpointing": generator.checkpointing,
        "updates": updates,
    }
    print(json.dumps(row), flush=True)
    return {"rows": [row]}


def _networks(config: Config, features: str, tiny: bool) -> tuple[OneStep, FeatureMap]:
    """The generator and the feature map of a cell; a rehearsal takes SD-Turbo in small for every one."""
    from transformers import ViTMAEConfig, ViTMAEModel

    if tiny:
        return drawn(True), small_mae()
    helpers()
    import full_size

    family = config.generator.removesuffix("_turbo")
    generator = full_size.generator(family, "cuda", torch.bfloat16, checkpointing=False)
    maps: dict[str, Callable[[], Any]] = {
        "latent_mae": lambda: LatentMae().requires_grad_(False).eval(),
        "vit_mae": lambda: VitMae(ViTMAEModel(ViTMAEConfig())),
        "teacher_unet": lambda: TeacherUNet(generator),
    }
    return generator, maps[features]()
