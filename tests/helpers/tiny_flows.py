"""Random Z-Image and FLUX.2-klein pipelines of a few thousand weights, as from_pretrained reads them."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    AutoencoderKLFlux2,
    FlowMatchEulerDiscreteScheduler,
    Flux2KleinPipeline,
    Flux2Transformer2DModel,
    ZImagePipeline,
    ZImageTransformer2DModel,
)
from transformers import Qwen2Tokenizer, Qwen3Config, Qwen3ForCausalLM, Qwen3Model

TEMPLATE = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
LEVELS: dict[str, Any] = {
    "block_out_channels": (8, 8),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "sample_size": 16,
}


def z_image(folder: Path, **scheduler: Any) -> Path:
    """A Z-Image-Turbo in small: four pixels to a patch, latents with a shift."""
    torch.manual_seed(0)
    transformer = ZImageTransformer2DModel(
        in_channels=4, dim=16, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=8,
        axes_dims=[4, 2, 2], axes_lens=[1024, 64, 64],
    )  # fmt: skip
    for (
        name,
        weight,
    ) in transformer.named_parameters():  # it leaves these empty: the published ones are trained
        if "pad_token" in name:
            torch.nn.init.normal_(weight)
    pipe = ZImagePipeline(
        FlowMatchEulerDiscreteScheduler(shift=3.0, **scheduler),
        AutoencoderKL(latent_channels=4, scaling_factor=0.3611, shift_factor=0.1159, **LEVELS),
        Qwen3Model(_text(layers=2)),
        _tokenizer(),
        transformer,
    )
    pipe.save_pretrained(folder)
    return folder


def flux2_klein(folder: Path, *, is_distilled: bool = True) -> Path:
    """A FLUX.2-klein in small: a double and a single block, an autoencoder that standardises patches."""
    torch.manual_seed(0)
    vae = AutoencoderKLFlux2(latent_channels=4, **LEVELS)
    vae.bn.running_mean.normal_()
    vae.bn.running_var.uniform_(0.5, 2)
    transformer = Flux2Transformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=24, timestep_guidance_channels=8, axes_dims_rope=(2, 2, 2, 2),
        guidance_embeds=False,
    )  # fmt: skip
    pipe = Flux2KleinPipeline(
        FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True),
        vae,
        Qwen3ForCausalLM(_text(layers=27)),  # the pipeline reads the 9th, the 18th and the 27th
        _tokenizer(),
        transformer,
        is_distilled=is_distilled,
    )
    pipe.save_pretrained(folder)
    return folder


def _text(layers: int) -> Qwen3Config:
    return Qwen3Config(
        vocab_size=40,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=4,
        max_position_embeddings=512,
    )


def _tokenizer() -> Qwen2Tokenizer:
    letters = ("<|endoftext|>", "Ġ", *string.ascii_lowercase)
    made = Qwen2Tokenizer(vocab={letter: index for index, letter in enumerate(letters)}, merges=[])
    made.chat_template = TEMPLATE
    return made
