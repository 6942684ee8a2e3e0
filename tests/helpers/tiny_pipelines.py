"""Random diffusers pipelines of both turbo families, a few thousand weights each, written as from_pretrained
reads them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

WORDS = ("a", "photo", "of", "cat", "dog")
THREE_BLOCKS: dict[str, Any] = {  # of a U-Net, as SDXL's has
    "block_out_channels": (8, 16, 16),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
}
SCHEDULE: dict[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "trailing",
    "steps_offset": 1,
}


def sd(folder: Path) -> Path:
    """An SD-Turbo in small: epsilon prediction, trailing timesteps, the scheduler that it ships with."""
    torch.manual_seed(0)
    text = CLIPTextModel(_text(32))
    pipe = StableDiffusionPipeline(
        _vae(),
        text,
        _tokenizer(),
        _unet(32),
        EulerDiscreteScheduler(**SCHEDULE),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.save_pretrained(folder)
    return folder


def sdxl(folder: Path, unet: Mapping[str, Any] | None = None, **vae: Any) -> Path:
    """An SDXL-Turbo in small: two text encoders, its ancestral scheduler, an autoencoder that is to stay out
    of half precision.
    """
    torch.manual_seed(0)
    made = sdxl_unet(**(unet or {}))
    texts = CLIPTextModel(_text(32)), CLIPTextModelWithProjection(_text(32))
    pipe = StableDiffusionXLPipeline(
        _vae(force_upcast=True, **vae),
        *texts,
        _tokenizer(),
        _tokenizer(),
        made,
        EulerAncestralDiscreteScheduler(**SCHEDULE),
    )
    pipe.save_pretrained(folder)
    return folder


def sdxl_unet(**options: Any) -> UNet2DConditionModel:
    """The U-Net of `sdxl`."""
    return _unet(
        64,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 32,
        **options,
    )


def _text(width: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=32,
        hidden_size=width,
        intermediate_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=8,
        projection_dim=width,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def _tokenizer() -> CLIPTokenizer:
    letters = sorted({letter for word in WORDS for letter in (*word[:-1], word[-1] + "</w>")})
    vocabulary = {"<|startoftext|>": 0, "<|endoftext|>": 1} | {
        letter: 2 + i for i, letter in enumerate(letters)
    }
    return CLIPTokenizer(
        vocab=vocabulary, merges=[], model_max_length=8, pad_token="<|endoftext|>", unk_token="<|endoftext|>"
    )


def _vae(**options: Any) -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=16,
        **options,
    )


def _unet(cross: int, **options: Any) -> UNet2DConditionModel:
    settings: dict[str, Any] = {
        "block_out_channels": (8, 16),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"),
    }
    return UNet2DConditionModel(
        sample_size=8,
        layers_per_block=1,
        norm_num_groups=4,
        attention_head_dim=4,
        cross_attention_dim=cross,
        **settings | options,
    )
