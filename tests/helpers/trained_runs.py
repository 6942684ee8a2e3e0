"""A run of drpo as if it had been trained, on tiny weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tiny_pipelines
from lora_pipelines import shift
from PIL import Image
from safetensors.torch import save_file

from drpo import build
from drpo.recipes import recipe

REPO = "anna/model"
Made = tuple[Path, Any, Path]  # the run, its generator, the folder of its base


def trained(tmp_path: Path, name: str, write_base: Callable[[Path], Path] | None, **changes: Any) -> Made:
    """A run of a recipe as if it had been trained: its config, LoRA, rows and a grid."""
    run, folder = tmp_path / "run", write_base(tmp_path / "base") if write_base else tmp_path
    config = dataclasses.replace(recipe(name), precision="fp32", lora_rank=4, **changes)
    local: dict[str, Any] = {"model": str(folder)} if write_base else {}
    if config.unet:
        unet = tiny_pipelines.sdxl_unet()
        save_file(unet.state_dict(), tmp_path / "unet.safetensors")
        local["unet"] = str(tmp_path / "unet.safetensors")
    generator: Any = build.generator(dataclasses.replace(config, **local))
    shift(generator)
    generator.save(run)
    (run / "config.json").write_text(json.dumps(dataclasses.asdict(config)))
    (run / "log.jsonl").write_text('{"step": 1, "reward": 0.5}\n{"step": 2, "reward": 0.75}\n')
    rows = [
        {"step": step, "diversity": 0.5, "target/pickscore": value} for step, value in ((0, 20.0), (2, 21.5))
    ]
    (run / "evaluations.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run / "sample_grids").mkdir()
    Image.new("RGB", (8, 8)).save(run / "sample_grids" / "000002.png")
    return run, generator, folder
