"""`train`: seconds and memory of the trainer's own update, by phase."""

from __future__ import annotations

import dataclasses
import gc
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.gpu.measure import PROMPT, peak
from benchmarks.gpu.rankers import loaded
from drpo.anchors import RankedAnchors
from drpo.features.latent_mae import LatentMae
from drpo.features.teacher_unet import TeacherUNet
from drpo.features.vit_mae import VitMae
from drpo.recipes import recipe
from drpo.train import PHASES, Trainer
from drpo.types import Prompt

CELLS = {
    "sd_turbo": ("latent_mae", "pickscore"),
    "hpsv3": ("latent_mae", "hpsv3"),
    "sdxl_turbo_mae": ("vit_mae", "pickscore"),
    "sdxl_turbo_unet": ("teacher_unet", "pickscore"),
}


def train(name: str, prompts: int = 2, updates: int = 3) -> dict[str, Any]:
    """Seconds per prompt of the trainer's update in a recipe's settings, by phase, bf16, mean of `updates`
    after a first one.
    """
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
    import full_size
    from transformers import ViTMAEConfig, ViTMAEModel

    features, judge = CELLS[name]
    config = dataclasses.replace(recipe(name), prompts_per_step=prompts, prompts="", ranker=judge)
    torch.manual_seed(0)
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    generator = full_size.generator(
        config.generator.removesuffix("_turbo"), "cuda", torch.bfloat16, checkpointing=True
    )
    maps: dict[str, Callable[[], Any]] = {
        "latent_mae": lambda: LatentMae().requires_grad_(False).eval(),
        "vit_mae": lambda: VitMae(ViTMAEModel(ViTMAEConfig())),
        "teacher_unet": lambda: TeacherUNet(generator),
    }
    with loaded(judge) as ranker:
        source = RankedAnchors(ranker, config, [Prompt(PROMPT), Prompt("a cat")])
        trainer = Trainer(config, generator, maps[features](), source)
        trainer.step()
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
        "updates": updates,
    }
    print(json.dumps(row), flush=True)
    return {"rows": [row]}
