"""FLUX.2-klein (black-forest-labs/FLUX.2-klein-4B): a transformer of double and single blocks, prompts read
by Qwen3, distilled to four steps without guidance; 1024 pixels.

A trained run is sampled by::

    pipe.load_lora_weights(RUN)
    pipe(prompt=prompt, num_inference_steps=4, guidance_scale=1.0)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from diffusers import Flux2KleinPipeline
from torch import Tensor

from drpo import hub
from drpo.generators._few_steps import FewSteps
from rankkit import RankkitError

MODEL = "black-forest-labs/FLUX.2-klein-4B"
SIZE = 1024  # of the published model


class Flux2Klein(FewSteps):
    """As `FewSteps`; the attention of its single blocks is one layer with the perceptron's,
    and adapted whole.

    A candidate's latents are in the autoencoder's own scale and shape, as the pipeline gives them.
    """

    arguments: ClassVar[Mapping[str, Any]] = {"guidance_scale": 1.0}
    layers = r".*\.(to_q|to_k|to_v|to_out\.0|to_qkv_mlp_proj)|single_.*\.to_out"
    prompts_kept = 100  # in half precision and 512 tokens each, 800 MB

    def __init__(self, pipe: Any, **options: Any) -> None:
        if not pipe.config.is_distilled:
            raise RankkitError(
                f"{pipe.name_or_path!r} is not distilled to few steps (is_distilled is false), so its images "
                f"would be blurred; give model= a distilled one, as {MODEL}"
            )
        super().__init__(pipe, **options)

    @property
    def noise_side(self) -> int:
        """Height and width of a candidate's noise, a point of which is a patch."""
        return self.size // (self.cell * int(self.pipe.vae_scale_factor))

    def encode(self, prompt: str) -> Mapping[str, Any]:
        """Three of Qwen3's layers on the prompt, side by side: (1, tokens, 3 times its width)."""
        embedding, _ = self.pipe.encode_prompt(prompt, device=self.device)
        return {"prompt_embeds": embedding}

    def unscaled(self, latents: Tensor) -> Tensor:
        """The latents themselves: the pipeline has put them into the autoencoder's scale."""
        return latents

    def scaled(self, latents: Tensor) -> Tensor:
        """The reverse of `unscaled`."""
        return latents


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
) -> Flux2Klein:
    """The generator from `model`, a hub id or a local folder; `dtype` is that of the frozen weights."""
    pipe = hub.pipeline(Flux2KleinPipeline, model or MODEL, device, dtype)
    return Flux2Klein(
        pipe,
        image_size=image_size,
        inference_steps=inference_steps,
        graph_steps=graph_steps,
        rank=rank,
        checkpointing=checkpointing,
    )
