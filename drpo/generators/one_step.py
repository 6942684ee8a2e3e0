"""Any diffusers text-to-image pipeline as a one-step generator with a LoRA: what the families share.

A candidate is what ``pipe(prompt, num_inference_steps=1, guidance_scale=0.0, latents=noise)`` returns: the
pipeline's own scheduler makes the step, no constant of it is copied here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor

from drpo import hub
from drpo.types import Sample
from rankkit import RankkitError

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")  # the layers that arXiv 2606.02521 adapts

PROMPTS_KEPT = 2000  # of SDXL's in half precision, 630 MB


class OneStep:
    """A pipeline whose U-Net carries a LoRA of `rank` on its attention; everything else is frozen.

    `pipe` is any pipeline with ``unet``, ``vae``, ``scheduler`` and ``encode_prompt``; the LoRA's alpha
    equals its rank. Its weights are float32 whatever the pipeline's dtype, so that small updates are not
    lost. With `checkpointing` U-Net and autoencoder keep few activations and repeat the others in backward,
    and the autoencoder takes one image at a time.
    """

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
        self.pipe = pipe
        for part in (pipe.unet, pipe.vae, pipe.text_encoder, getattr(pipe, "text_encoder_2", None)):
            if part is not None:
                part.requires_grad_(False)
        lora = LoraConfig(
            r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=list(ATTENTION)
        )
        pipe.unet.add_adapter(lora)
        for weight in self.parameters().values():
            weight.data = weight.data.float()
        if checkpointing:
            pipe.unet.enable_gradient_checkpointing()
            pipe.vae.enable_gradient_checkpointing()
            pipe.vae.enable_slicing()
        self._at_base = False
        self._conditions: dict[str, Mapping[str, Any]] = {}

    @property
    def device(self) -> torch.device:
        """Where the U-Net is."""
        device: torch.device = self.pipe.unet.device
        return device

    @property
    def size(self) -> int:
        """Side of an image in pixels."""
        return int(self.pipe.unet.config.sample_size * self.pipe.vae_scale_factor)

    def noise(self, count: int, seed: int) -> Tensor:
        """(count,C,h,w) standard normal noise, drawn on the CPU so that every device gets the same."""
        unet = self.pipe.unet
        shape = (count, unet.config.in_channels, unet.config.sample_size, unet.config.sample_size)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        return noise.to(self.device, unet.dtype)

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
        conditions = _repeat(self._condition(prompt), len(latents))
        output: Tensor = self.pipe.unet(latents, timestep, return_dict=False, **conditions)[0]
        return output

    def decode(self, latents: Tensor) -> Tensor:
        """(K,3,H,W) in [-1, 1] from latents."""
        vae = self.autoencoder()
        decoded: Tensor = vae.decode(self.unscaled(latents.to(vae.dtype)), return_dict=False)[0]
        return decoded

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Latents (K,C,h,w), in the scale the U-Net sees, of images (K,3,H,W) in [-1, 1]; the mean where
        the autoencoder is random.
        """
        vae = self.autoencoder()
        encoded = vae.encode(pixels.to(self.device, vae.dtype))
        latents: Tensor = encoded.latents if hasattr(encoded, "latents") else encoded.latent_dist.mode()
        return self.scaled(latents).to(self.pipe.unet.dtype)

    def unscaled(self, latents: Tensor) -> Tensor:
        """From the scale the U-Net sees to the autoencoder's own."""
        return latents / float(self.pipe.vae.config.scaling_factor)

    def scaled(self, latents: Tensor) -> Tensor:
        """The reverse of `unscaled`."""
        return latents * float(self.pipe.vae.config.scaling_factor)

    def autoencoder(self) -> Any:
        """The autoencoder, ready to run."""
        return self.pipe.vae

    @contextmanager
    def reference(self) -> Iterator[None]:
        """The base: the same weights with the LoRA switched off, and on again when the outermost such block
        ends.
        """
        if self._at_base:
            yield
            return
        self._at_base = True
        self.pipe.unet.disable_adapters()
        try:
            yield
        finally:
            self.pipe.unet.enable_adapters()
            self._at_base = False

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """The LoRA's weights by name."""
        return {name: weight for name, weight in self.pipe.unet.named_parameters() if "lora_" in name}

    def save(self, folder: Path) -> None:
        """Write ``pytorch_lora_weights.safetensors``, which ``pipe.load_lora_weights(folder)`` reads."""
        self.pipe.save_lora_weights(str(folder), unet_lora_layers=get_peft_model_state_dict(self.pipe.unet))

    def load(self, folder: Path) -> None:
        """Take the weights of a saved LoRA of the same rank."""
        saved = self.pipe.lora_state_dict(str(folder))[0]
        unet = {
            name.removeprefix("unet."): weight for name, weight in saved.items() if name.startswith("unet.")
        }
        set_peft_model_state_dict(self.pipe.unet, unet)

    def _condition(self, prompt: str) -> Mapping[str, Any]:
        """The U-Net's arguments for one prompt, encoded once and kept; of many prompts, those that came
        last.
        """
        if prompt not in self._conditions:
            if len(self._conditions) == PROMPTS_KEPT:
                self._conditions.pop(next(iter(self._conditions)))
            with torch.no_grad():
                self._conditions[prompt] = self.encode(prompt)
        return self._conditions[prompt]

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
