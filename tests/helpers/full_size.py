"""The turbo models at their real sizes with random weights, on any device: what their published configs
say.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    UNet2DConditionModel,
)
from diffusers import StableDiffusionPipeline as Stock
from tiny_pipelines import SCHEDULE

from benchmarks.flops.sizes import SD, SDXL
from drpo.generators.one_step import OneStep
from drpo.generators.sdxl_turbo import SDXLTurbo

TOKENS = 77
UNETS: dict[str, dict[str, Any]] = {
    "sd": SD | {"cross_attention_dim": 1024},
    "sdxl": SDXL | {"cross_attention_dim": 2048},
}


class _Told:
    """Mixed into a family: text conditions of the real shapes without a text encoder."""

    def encode(self, prompt: str) -> Mapping[str, Any]:
        unet: Any = self.pipe.unet  # type: ignore[attr-defined]
        made: dict[str, Any] = {"device": unet.device, "dtype": unet.dtype}
        conditions: dict[str, Any] = {
            "encoder_hidden_states": torch.ones(1, TOKENS, unet.config.cross_attention_dim, **made)
        }
        if unet.config.addition_embed_type:
            conditions["added_cond_kwargs"] = {
                "text_embeds": torch.ones(1, 1280, **made),
                "time_ids": torch.full((1, 6), 512.0, **made),
            }
        return conditions


class ToldSD(_Told, OneStep):
    """SD-Turbo."""


class ToldSDXL(_Told, SDXLTurbo):
    """SDXL-Turbo."""


def generator(family: str, device: str, dtype: torch.dtype, *, checkpointing: bool) -> OneStep:
    """The family's generator on `device`; its scheduler runs only where tensors have values."""
    with torch.device(device):
        unet = UNet2DConditionModel(sample_size=64, use_linear_projection=True, **UNETS[family])
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
            sample_size=512,
            force_upcast=family == "sdxl",
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            scaling_factor=0.13025 if family == "sdxl" else 0.18215,
        )
    scheduler = {"sd": EulerDiscreteScheduler, "sdxl": EulerAncestralDiscreteScheduler}[family](**SCHEDULE)
    for part in (unet, vae):
        torch.nn.Module.to(part, dtype)
    pipe: Any = Stock(vae, None, None, unet, scheduler, None, None, requires_safety_checker=False)
    return {"sd": ToldSD, "sdxl": ToldSDXL}[family](pipe, rank=16, checkpointing=checkpointing)
