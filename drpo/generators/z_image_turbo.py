"""Z-Image-Turbo (arXiv 2511.22699): one transformer for text and image tokens, prompts read by Qwen3,
distilled to eight steps without guidance; 1024 pixels.

A trained run is sampled by::

    pipe.load_lora_weights(RUN)
    pipe(prompt, num_inference_steps=8, guidance_scale=0.0)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from diffusers import ZImagePipeline
from torch import Tensor

from drpo import hub
from drpo.generators._few_steps import FewSteps

MODEL = "Tongyi-MAI/Z-Image-Turbo"
SIZE = 1024  # of the published model


class ZImageTurbo(FewSteps):
    """As `FewSteps`; its latents are float32 in every precision, as the pipeline's own."""

    arguments: ClassVar[Mapping[str, Any]] = {"guidance_scale": 0.0}
    prompts_kept = 500  # in half precision and 512 tokens each, 1.3 GB

    @property
    def dtype(self) -> torch.dtype:
        """What latents are in."""
        return torch.float32

    @property
    def noise_side(self) -> int:
        """Height and width of a candidate's noise."""
        return self.size // int(self.pipe.vae_scale_factor)

    def encode(self, prompt: str) -> Mapping[str, Any]:
        """Qwen3's embedding of the prompt, as a list of one: (tokens, width)."""
        embeddings, _ = self.pipe.encode_prompt(prompt, device=self.device, do_classifier_free_guidance=False)
        return {"prompt_embeds": embeddings}

    def unscaled(self, latents: Tensor) -> Tensor:
        """From the scale the transformer sees to the autoencoder's own."""
        return super().unscaled(latents) + float(self.pipe.vae.config.shift_factor)

    def scaled(self, latents: Tensor) -> Tensor:
        """The reverse of `unscaled`."""
        return super().scaled(latents - float(self.pipe.vae.config.shift_factor))


def load(
    model: str = "",
    *,
    rank: int = 16,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = True,
    inference_steps: int = 1,
    graph_steps: int = 1,
    image_size: int = SIZE,
) -> ZImageTurbo:
    """The generator from `model`, a hub id or a local folder; `dtype` is that of the frozen weights."""
    pipe = hub.pipeline(ZImagePipeline, model or MODEL, device, dtype)
    return ZImageTurbo(
        pipe,
        image_size=image_size,
        inference_steps=inference_steps,
        graph_steps=graph_steps,
        rank=rank,
        checkpointing=checkpointing,
    )
