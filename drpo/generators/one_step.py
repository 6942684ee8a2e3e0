"""Any diffusers text-to-image pipeline with a U-Net as a one-step generator: what those families share.

A candidate is what ``pipe(prompt, num_inference_steps=1, guidance_scale=0.0, latents=noise)`` returns: the
pipeline's own scheduler makes the step, no constant of it is copied here. With ``inference_steps=4`` it is
what four steps give, and the gradient goes through the last `graph_steps` of them: docs/method.md says what
that loses.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from itertools import chain, repeat
from typing import Any, cast

import torch
from torch import Tensor

from drpo import hub
from drpo.generators._adapted import Adapted
from drpo.types import Sample
from rankkit import RankkitError, UsageError
from rankkit.plugin import reason_of


class OneStep(Adapted):
    """A pipeline with a U-Net whose scheduler makes one step; see `Adapted`."""

    part = "unet"
    added: str | None = None  # which conditions the U-Net takes beside the tokens, by diffusers' name
    timestep: int | None = None  # where the one step starts, if the scheduler is told: ``timesteps=[800]``

    def __init__(
        self,
        pipe: Any,
        *,
        rank: int = 16,
        checkpointing: bool = False,
        inference_steps: int = 1,
        graph_steps: int = 1,
    ) -> None:
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
        made, taken = pipe.vae.config.latent_channels, pipe.unet.config.in_channels
        if made != taken:
            raise RankkitError(
                f"the U-Net of {pipe.name_or_path!r} takes {taken} channels, and its autoencoder makes "
                f"{made}: it is for inpainting, editing or upscaling, with an image beside the prompt; give "
                "model= a text-to-image model"
            )
        side = pipe.unet.config.sample_size
        if not isinstance(side, int) or side < 2 ** (len(pipe.unet.config.block_out_channels) - 1):
            raise RankkitError(
                f"the U-Net of {pipe.name_or_path!r} has sample_size={side} in its config.json; a generator "
                "makes square images: write the side of their latents there, 64 for images of 512 pixels"
            )
        self.inference_steps, self.graph_steps = inference_steps, graph_steps
        super().__init__(pipe, rank=rank, checkpointing=checkpointing)
        self._check_schedule()

    def _check_schedule(self) -> None:
        """Raise where the scheduler makes no such steps."""
        scheduler, of = self.pipe.scheduler, f"of {self.pipe.name_or_path!r}"
        most = int(scheduler.config.num_train_timesteps)
        if self.inference_steps > most:
            raise UsageError(
                f"inference_steps={self.inference_steps}: the scheduler {of} was trained on {most} timesteps"
            )
        some = torch.zeros(1, 1, 1, 1)
        try:
            scheduler.set_timesteps(self.inference_steps)
            if not scheduler.init_noise_sigma > 0:
                raise ValueError("its noise has no size")
            with torch.random.fork_rng(devices=()):  # some draw noise
                scheduler.step(
                    some, scheduler.timesteps[0], scheduler.scale_model_input(some, scheduler.timesteps[0])
                )
        except (ValueError, AttributeError, IndexError, TypeError) as error:
            raise RankkitError(
                f"the {type(scheduler).__name__} {of} makes no image in inference_steps="
                f"{self.inference_steps}: {reason_of(error)}; put the scheduler into its folder that a model "
                "of so few steps is published with, or for SDXL take generator=sdxl_one_step and scheduler="
                "euler, lcm or tcd"
            ) from None

    def sample(self, prompt: str, noise: Tensor) -> Sample:
        """One candidate per row of noise; its graph goes through the last `graph_steps`."""
        (sample,) = self.sample_all([prompt], [noise])
        return sample

    def sample_all(self, prompts: Sequence[str], noises: Sequence[Tensor]) -> list[Sample]:
        """As `sample` for each prompt with its noises, the U-Net called once for all of them."""
        counts = [len(noise) for noise in noises]
        each = list(chain.from_iterable(map(repeat, prompts, counts)))
        latents = self._latents(each, torch.cat(list(noises))).split(counts)
        return [Sample(prompt, part, self.decode) for prompt, part in zip(prompts, latents, strict=True)]

    def _latents(self, prompts: Sequence[str], noise: Tensor) -> Tensor:
        """What the trajectory of each noise, with a prompt each, ends in."""
        timesteps = self._timesteps()
        extra = self.pipe.prepare_extra_step_kwargs(self.noise_between(noise), 0.0)
        latents: Tensor = noise * self.pipe.scheduler.init_noise_sigma
        wanted = torch.is_grad_enabled()
        for to_come, t in zip(range(len(timesteps), 0, -1), timesteps, strict=True):
            with torch.set_grad_enabled(wanted and to_come <= self.graph_steps):
                latents = self._step(prompts, latents, t, extra)
        return latents

    def noise_between(self, noise: Tensor) -> list[torch.Generator]:
        """What schedulers that draw noise between steps draw from: a generator per candidate, seeded by its
        noise, so that a candidate is the same in every batch.
        """
        rows = noise.detach().float().cpu().numpy()
        return [torch.Generator().manual_seed(zlib.crc32(row.tobytes())) for row in rows]

    def _step(self, prompts: Sequence[str], latents: Tensor, t: Tensor, extra: Mapping[str, Any]) -> Tensor:
        """What the scheduler makes of the latents at timestep `t`."""
        scheduler = self.pipe.scheduler
        predicted = self.unet_on(prompts, scheduler.scale_model_input(latents, t), t)
        return scheduler.step(predicted, t, latents, **extra, return_dict=False)[0]

    def _timesteps(self) -> Tensor:
        """The timesteps of a trajectory, for which the scheduler is made ready."""
        scheduler = self.pipe.scheduler
        if self.timestep is None:
            scheduler.set_timesteps(self.inference_steps, device=self.device)
        else:
            with hub.quiet():  # it remarks on every schedule that is not its own
                scheduler.set_timesteps(timesteps=[self.timestep], device=self.device)
        return cast(Tensor, scheduler.timesteps)

    def unet_on(self, prompt: str | Sequence[str], latents: Tensor, timestep: Tensor | int) -> Tensor:
        """The U-Net's output on latents (K,C,h,w) that all belong to one prompt, or each to its own."""
        prompts = [prompt] * len(latents) if isinstance(prompt, str) else prompt
        conditions = _joined([self.condition(each) for each in prompts])
        return self.pipe.unet(latents, timestep, return_dict=False, **conditions)[0]

    def encode(self, prompt: str) -> Mapping[str, Any]:
        """The U-Net's arguments for one prompt, each with a leading dimension of 1."""
        embedding, _ = self.pipe.encode_prompt(prompt, self.device, 1, False)
        return {"encoder_hidden_states": embedding}


def _joined(conditions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Conditions of one candidate each, as one batch; nested dictionaries too."""
    columns = {name: [each[name] for each in conditions] for name in conditions[0]}
    return {
        name: _joined(column) if isinstance(column[0], Mapping) else torch.cat(column)
        for name, column in columns.items()
    }
