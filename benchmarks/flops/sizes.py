"""The generators' networks at their published sizes on the meta device: shapes alone, no values.

Where the sizes are from: diffusers' defaults where a model's config equals them (Z-Image-Turbo, SANA 1.6B,
DC-AE f32c32), diffusers' ``scripts/convert_sana_to_diffusers.py`` (SANA-Sprint 0.6B), the configs of
stabilityai/stable-diffusion-xl-base-1.0 and sd-turbo, and of black-forest-labs/FLUX.2-klein-4B (5 double and
20 single blocks, 24 heads of 128, text of 3 × 2560). ``ssd_1b_like`` is an SDXL without its middle attention
and with fewer blocks, 1.14 billion weights for SSD-1B's published 1.3; its depths were chosen here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    AutoencoderKL,
    AutoencoderKLFlux2,
    Flux2Transformer2DModel,
    SanaTransformer2DModel,
    UNet2DConditionModel,
    ZImageTransformer2DModel,
)
from peft import LoraConfig

from drpo.generators._adapted import ATTENTION
from drpo.generators.flux2_klein import Flux2Klein

DTYPE = torch.bfloat16
TOKENS = 77  # of a prompt in Z-Image, which pads none; the others have a fixed number


@dataclass(frozen=True)
class Size:
    """A generator at full size: its network and autoencoder on meta, the arguments of one candidate's step,
    latents as the autoencoder takes them, side of an image, steps.
    """

    network: Callable[[], Any]
    step: Callable[[Any], dict[str, Any]]
    autoencoder: Callable[[], Any]
    latents: tuple[int, ...]
    side: int
    steps: int = 1
    layers: tuple[str, ...] | str = ATTENTION

    def made(self) -> tuple[Any, Any]:
        """Network with its LoRA, and autoencoder, frozen, in bfloat16."""
        with torch.device("meta"):
            network, autoencoder = self.network(), self.autoencoder()
            for part in (network, autoencoder):
                torch.nn.Module.to(part, DTYPE).requires_grad_(False)
            targets = self.layers if isinstance(self.layers, str) else list(self.layers)
            network.add_adapter(LoraConfig(r=16, lora_alpha=16, target_modules=targets))
        return network, autoencoder


def empty(*shape: int, dtype: torch.dtype = DTYPE) -> torch.Tensor:
    """Of a shape, on meta."""
    return torch.empty(*shape, dtype=dtype, device="meta")


def unet(*, side: int, cross: int, **options: Any) -> Callable[[], Any]:
    """A U-Net for latents of this side."""
    return lambda: UNet2DConditionModel(
        sample_size=side, use_linear_projection=True, cross_attention_dim=cross, **options
    )


def unet_step(side: int, cross: int, *, added: bool) -> Callable[[Any], dict[str, Any]]:
    """One candidate of a U-Net; with SDXL's `added` conditions."""
    conditions = {"text_embeds": empty(1, 1280), "time_ids": empty(1, 6)}
    return lambda network: {
        "sample": empty(1, 4, side, side),
        "timestep": empty(1),
        "encoder_hidden_states": empty(1, 77, cross),
        **({"added_cond_kwargs": conditions} if added else {}),
    }


def kl(channels: int = 4, **options: Any) -> Callable[[], Any]:
    """The autoencoder of Stable Diffusion, SDXL and FLUX: 8 pixels to a latent."""
    return lambda: AutoencoderKL(
        block_out_channels=(128, 256, 512, 512),
        layers_per_block=2,
        latent_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        **options,
    )


SD: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280, 1280),
    "attention_head_dim": (5, 10, 20, 20),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
}
SDXL: dict[str, Any] = {
    "block_out_channels": (320, 640, 1280),
    "attention_head_dim": (5, 10, 20),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
SMALLER = SDXL | {"mid_block_type": "UNetMidBlock2D", "transformer_layers_per_block": (1, 2, 4)}
SANA = {"guidance_embeds": True, "qk_norm": "rms_norm_across_heads", "sample_size": 32}
SANA_SMALL = SANA | {
    "num_attention_heads": 36,
    "num_layers": 28,
    "num_cross_attention_heads": 16,
    "cross_attention_head_dim": 72,
    "cross_attention_dim": 1152,
}


def sana_step(network: Any) -> dict[str, Any]:
    """One candidate: 32 × 32 latents and 300 tokens of Gemma 2's width."""
    return {
        "hidden_states": empty(1, 32, 32, 32),
        "encoder_hidden_states": empty(1, 300, 2304),
        "encoder_attention_mask": empty(1, 300),
        "guidance": empty(1),
        "timestep": empty(1),
    }


def klein_step(network: Any) -> dict[str, Any]:
    """One candidate: 64 × 64 patches of 128 channels and 512 tokens of three of Qwen3-4B's layers."""
    return {
        "hidden_states": empty(1, 4096, 128),
        "encoder_hidden_states": empty(1, 512, 7680),
        "timestep": empty(1),
        "img_ids": empty(1, 4096, 4),
        "txt_ids": empty(1, 512, 4),
    }


def z_image_step(network: Any) -> dict[str, Any]:
    """One candidate: 128 × 128 latents, `TOKENS` tokens of Qwen3-4B's width."""
    return {"x": [empty(16, 1, 128, 128)], "t": empty(1), "cap_feats": [empty(TOKENS, 2560)]}


SIZES = {
    "sd_turbo": Size(
        unet(side=64, cross=1024, **SD), unet_step(64, 1024, added=False), kl(), (1, 4, 64, 64), 512
    ),
    "sdxl_turbo": Size(
        unet(side=64, cross=2048, **SDXL), unet_step(64, 2048, added=True), kl(), (1, 4, 64, 64), 512
    ),
    "sdxl_one_step": Size(
        unet(side=128, cross=2048, **SDXL), unet_step(128, 2048, added=True), kl(), (1, 4, 128, 128), 1024
    ),
    "ssd_1b_like": Size(
        unet(side=128, cross=2048, **SMALLER), unet_step(128, 2048, added=True), kl(), (1, 4, 128, 128), 1024
    ),
    "sana_sprint 0.6B": Size(
        lambda: SanaTransformer2DModel(**SANA_SMALL), sana_step, AutoencoderDC, (1, 32, 32, 32), 1024
    ),
    "sana_sprint 1.6B": Size(
        lambda: SanaTransformer2DModel(**SANA), sana_step, AutoencoderDC, (1, 32, 32, 32), 1024
    ),
    "flux2_klein 4B": Size(
        lambda: Flux2Transformer2DModel(
            num_layers=5, num_single_layers=20, num_attention_heads=24, joint_attention_dim=7680,
            guidance_embeds=False,
        ),
        klein_step, AutoencoderKLFlux2, (1, 32, 128, 128), 1024, 4, Flux2Klein.layers,
    ),
    "z_image_turbo 6B": Size(
        ZImageTransformer2DModel, z_image_step, kl(16), (1, 16, 128, 128), 1024, 8
    ),
}  # fmt: skip
