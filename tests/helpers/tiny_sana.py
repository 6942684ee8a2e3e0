"""A random SANA-Sprint pipeline of a few thousand weights, written as from_pretrained reads it."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderDC, SanaSprintPipeline, SanaTransformer2DModel, SCMScheduler
from transformers import Gemma2Config, Gemma2Model, GemmaTokenizer

SPECIAL = ("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁")


def sana(folder: Path, **transformer: Any) -> Path:
    """A SANA-Sprint in small: a transformer told the guidance scale, a deep autoencoder, Gemma 2."""
    torch.manual_seed(0)
    tokens = {token: index for index, token in enumerate((*SPECIAL, *string.ascii_lowercase))}
    text = Gemma2Config(
        vocab_size=len(tokens),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=4,
        max_position_embeddings=4096,
    )
    pipe = SanaSprintPipeline(
        GemmaTokenizer(vocab=tokens, merges=[]),
        Gemma2Model(text),
        _vae(),
        _transformer(**transformer),
        SCMScheduler(),
    )
    pipe.save_pretrained(folder)
    return folder


def _vae() -> AutoencoderDC:
    """Four pixels to a latent."""
    sides: dict[str, Any] = {}
    for side in ("encoder", "decoder"):
        sides |= {
            f"{side}_block_types": ("ResBlock", "ResBlock", "EfficientViTBlock"),
            f"{side}_block_out_channels": (8, 8, 8),
            f"{side}_qkv_multiscales": ((), (), (5,)),
            f"{side}_layers_per_block": (1, 1, 1),
        }
    return AutoencoderDC(
        latent_channels=4,
        attention_head_dim=2,
        downsample_block_type="Conv",
        upsample_block_type="interpolate",
        scaling_factor=0.41407,
        **sides,
    )


def _transformer(**options: Any) -> SanaTransformer2DModel:
    shape: dict[str, Any] = {
        "in_channels": 4,
        "out_channels": 4,
        "num_layers": 2,
        "num_attention_heads": 2,
        "attention_head_dim": 4,
        "num_cross_attention_heads": 2,
        "cross_attention_head_dim": 4,
        "cross_attention_dim": 8,
        "caption_channels": 8,
        "sample_size": 8,
        "qk_norm": "rms_norm_across_heads",
        "guidance_embeds": True,
        "timestep_scale": 1000.0,
    }
    return SanaTransformer2DModel(**(shape | options))
