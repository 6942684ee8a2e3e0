"""SDXL-Turbo (stabilityai/sdxl-turbo): two text encoders, and conditions on size and pooled text beside the
tokens; 512 pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import StableDiffusionXLPipeline
from torch import Tensor

from drpo import hub
from drpo.generators.one_step import OneStep

MODEL = "stabilityai/sdxl-turbo"


class SDXLTurbo(OneStep):
    """As `OneStep`, with SDXL's added conditions, made as its pipeline makes them when nobody gives a
    size.
    """

    added = "text_time"

    def encode(self, prompt: str) -> Mapping[str, Any]:
        """Token embeddings, pooled embedding, and the six numbers original size, crop, target size, each with
        a leading 1.
        """
        embedding, _, pooled, _ = self.pipe.encode_prompt(
            prompt, device=self.device, do_classifier_free_guidance=False
        )
        sizes = torch.tensor(
            [[self.size, self.size, 0, 0, self.size, self.size]], dtype=embedding.dtype, device=self.device
        )
        return {
            "encoder_hidden_states": embedding,
            "added_cond_kwargs": {"text_embeds": pooled, "time_ids": sizes},
        }

    def autoencoder(self) -> Any:
        """The autoencoder; SDXL's overflows in half precision, so it is turned to float32 as its config
        (``force_upcast``) asks.
        """
        vae = self.pipe.vae
        if vae.dtype == torch.float16 and vae.config.force_upcast:
            torch.nn.Module.to(vae, torch.float32)
        return vae

    def unscaled(self, latents: Tensor) -> Tensor:
        """As `OneStep`'s; an autoencoder with ``latents_mean`` and ``latents_std`` has them undone, as SDXL's
        pipeline does.
        """
        if self._moments is None:
            return super().unscaled(latents)
        mean, std = (moment.to(latents) for moment in self._moments)
        return latents * std / float(self.pipe.vae.config.scaling_factor) + mean

    def scaled(self, latents: Tensor) -> Tensor:
        """The reverse of `unscaled`."""
        if self._moments is None:
            return super().scaled(latents)
        mean, std = (moment.to(latents) for moment in self._moments)
        return (latents - mean) * float(self.pipe.vae.config.scaling_factor) / std

    @property
    def _moments(self) -> tuple[Tensor, Tensor] | None:
        """The autoencoder's mean and standard deviation per channel, (1,C,1,1), where its config has both."""
        config = self.pipe.vae.config
        moments = [getattr(config, name, None) for name in ("latents_mean", "latents_std")]
        if None in moments:
            return None
        mean, std = (torch.tensor(moment)[None, :, None, None] for moment in moments)
        return mean, std


def load(
    model: str = "",
    *,
    rank: int = 16,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = True,
    inference_steps: int = 1,
    graph_steps: int = 1,
) -> SDXLTurbo:
    """The generator from `model`, a hub id or a local folder; `dtype` is that of the frozen weights."""
    pipe = hub.pipeline(StableDiffusionXLPipeline, model or MODEL, device, dtype)
    return SDXLTurbo(
        pipe,
        rank=rank,
        checkpointing=checkpointing,
        inference_steps=inference_steps,
        graph_steps=graph_steps,
    )
