"""SD-Turbo (stabilityai/sd-turbo): Stable Diffusion 2.1 distilled to one step, 512 pixels."""

from __future__ import annotations

import torch
from diffusers import StableDiffusionPipeline

from drpo import hub
from drpo.generators.one_step import OneStep

MODEL = "stabilityai/sd-turbo"


def load(
    model: str = "",
    *,
    rank: int = 16,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = True,
    inference_steps: int = 1,
    graph_steps: int = 1,
) -> OneStep:
    """The generator from `model`, a hub id or a local folder; `dtype` is that of the frozen weights."""
    pipe = hub.pipeline(StableDiffusionPipeline, model or MODEL, device, dtype, safety_checker=None)
    return OneStep(
        pipe,
        rank=rank,
        checkpointing=checkpointing,
        inference_steps=inference_steps,
        graph_steps=graph_steps,
    )
