"""Any diffusers text-to-image pipeline with a U-Net as a one-step generator: what those families share.

A candidate is what ``pipe(prompt, num_inference_steps=1, guidance_scale=0.0, latents=noise)`` returns: the
pipeline's own scheduler makes the step, no constant of it is copied here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from drpo import hub
from drpo.generators._adapted import Adapted
from drpo.types import Sample
from rankkit import RankkitError


class OneStep(Adapted):
    """A pipeline with a U-Net whose scheduler makes one step; see `Adapted`."""

    part = "unet"
    added: str | None = None  # which conditions the U-Net takes beside the tokens, by diffusers' name
    timestep: int | None = None  # where the one step starts, if the scheduler is told: ``timesteps=[800]``

    def __init__(self, pipe: Any, *, rank: int = 16, checkpointing: bool = False) -> None:
        if pipe.unet.config.addition_embed_type != self.added:
            raise RankkitError(
                f"the U-Net of {pipe.name_or_path!r} takes added "
                f"conditions {pipe.unet.config.addition_embed_type!r}, not {self.added!r}: "
                "it is of another family; generator=sdxl_turbo is for SDXL, generator=sd_turbo for Stable "
                "Diffusion 1 and 2"
            )
        if pipe.unet.config.time_cond_proj_dim is not None:
            raise RankkitError(
                f"the U-Net of {pipe.name_or_path!r} takes the guidance scale as an input (time_cond_proj_dim"
                f"={pipe.unet.config.time_cond_proj_dim}), and candidates are made without guidance; "
                "take a U-Net that was distilled without it"
            )
        super().__init__(pipe, rank=rank, checkpointing=checkpointing)

    def sample(self, prompt: str, noise: Tensor) -> Sample:
        """One candidate per row of noise."""
        scheduler = self.pipe.scheduler
        t = self._start()
        latents = noise * scheduler.init_noise_sigma
        predicted = self.unet_on(prompt, scheduler.scale_model_input(latents, t), t)
        own = torch.Generator(self.device).manual_seed(
            0
        )  # ancestral schedulers draw noise, and then add none of it to the last step
        extra = self.pipe.prepare_extra_step_kwargs(own, 0.0)
        return Sample(
            prompt, scheduler.step(predicted, t, latents, **extra, return_dict=False)[0], self.decode
        )

    def _start(self) -> Tensor:
        """The timestep of the one step, for which the scheduler is made ready."""
        scheduler = self.pipe.scheduler
        if self.timestep is None:
            scheduler.set_timesteps(1, device=self.device)
        else:
            with hub.quiet():  # it remarks on every schedule that is not its own
                scheduler.set_timesteps(timesteps=[self.timestep], device=self.device)
        (t,) = scheduler.timesteps
        return cast(Tensor, t)

    def unet_on(self, prompt: str, latents: Tensor, timestep: Tensor | int) -> Tensor:
        """The U-Net's output on latents (K,C,h,w) that all belong to one prompt."""
        conditions = _repeat(self.condition(prompt), len(latents))
        output: Tensor = self.pipe.unet(latents, timestep, return_dict=False, **conditions)[0]
        return output

    def encode(self, prompt: str) -> Mapping[str, Any]:
        """The U-Net's arguments for one prompt, each with a leading dimension of 1."""
        embedding, _ = self.pipe.encode_prompt(prompt, self.device, 1, False)
        return {"encoder_hidden_states": embedding}


def _repeat(conditions: Mapping[str, Any], count: int) -> dict[str, Any]:
    """Conditions of one prompt for `count` candidates; nested dictionaries too."""
    return {
        name: _repeat(value, count) if isinstance(value, Mapping) else value.expand(count, *value.shape[1:])
        for name, value in conditions.items()
    }
