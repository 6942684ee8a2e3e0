"""Any diffusers text-to-image pipeline whose network carries a LoRA: what U-Nets and transformers share."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from drpo.generators import _lora
from drpo.types import Sample
from rankkit import UsageError

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")  # the layers that arXiv 2606.02521 adapts
LAYERS_AT_ONCE = 8  # of 256 channels at full size: what a decoder needs at most for an image, generously


class Adapted(ABC):
    """A pipeline whose network carries a LoRA of `rank` on its attention; everything else is frozen.

    `pipe` is any pipeline with the network that `part` names, ``vae``, ``scheduler`` and ``encode_prompt``;
    the LoRA's alpha equals its rank. Its weights are float32 whatever the pipeline's dtype, so that small
    updates are not lost. With `checkpointing` network and autoencoder keep few activations and repeat the
    others in backward, and the autoencoder takes one image at a time. Without a gradient images are decoded
    in batches that take no more than half of a GPU's free memory, or 1 GiB.
    """

    part: str  # the network, by the pipeline's name: unet or transformer
    layers: tuple[str, ...] | str = ATTENTION  # that the LoRA adapts: ends of names, or a pattern of all
    prompts_kept = 2000  # of SDXL's in half precision, 630 MB

    def __init__(self, pipe: Any, *, rank: int = 16, checkpointing: bool = False) -> None:
        self.pipe = pipe
        for part in (self.network, pipe.vae, pipe.text_encoder, getattr(pipe, "text_encoder_2", None)):
            if part is not None:
                part.requires_grad_(False)
        widest = max(min(weight.shape) for weight in self.network.parameters() if weight.ndim == 2)
        if rank > widest:
            raise UsageError(f"lora_rank={rank} is more than the widest layer has, which is {widest}")
        targets = self.layers if isinstance(self.layers, str) else list(self.layers)
        lora = LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=targets)
        self.network.add_adapter(lora)
        for weight in self.parameters().values():
            weight.data = weight.data.float()
        self.use_checkpointing(checkpointing)
        self._at_base = False
        self._conditions: dict[str, Mapping[str, Any]] = {}

    def use_checkpointing(self, on: bool) -> None:
        """Switch checkpointing on or off; it changes memory and time, and no gradient."""
        self.checkpointing = on
        for part in (self.network, self.pipe.vae):
            if part._supports_gradient_checkpointing:
                (part.enable_gradient_checkpointing if on else part.disable_gradient_checkpointing)()

    @property
    def network(self) -> Any:
        """What is adapted."""
        return getattr(self.pipe, self.part)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.device

    @property
    def dtype(self) -> torch.dtype:
        """What latents are in."""
        return self.network.dtype

    @property
    def size(self) -> int:
        """Side of an image in pixels."""
        return self.noise_side * int(self.pipe.vae_scale_factor)

    @property
    def noise_side(self) -> int:
        """Height and width of a candidate's noise."""
        return int(self.network.config.sample_size)

    def noise(self, count: int, seed: int) -> Tensor:
        """(count,C,h,w) standard normal noise, drawn on the CPU so that every device gets the same."""
        shape = (count, self.network.config.in_channels, self.noise_side, self.noise_side)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        return noise.to(self.device, self.dtype)

    @abstractmethod
    def sample(self, prompt: str, noise: Tensor) -> Sample:
        """One candidate per row of noise."""

    def sample_all(self, prompts: Sequence[str], noises: Sequence[Tensor]) -> list[Sample]:
        """As `sample` for each prompt with its noises."""
        return [self.sample(prompt, noise) for prompt, noise in zip(prompts, noises, strict=True)]

    def by_pipeline(self, prompt: str, noise: Tensor, **arguments: Any) -> Tensor:
        """Latents that the stock pipeline, called with `arguments`, makes of noise, with their graph."""
        with_graph = inspect.unwrap(type(self.pipe).__call__)  # its decorator turns gradients off
        (latents,) = with_graph(
            self.pipe,
            **self.condition(prompt),
            **arguments,
            num_images_per_prompt=len(noise),
            latents=noise,
            output_type="latent",
            return_dict=False,
        )
        return cast(Tensor, latents)

    @abstractmethod
    def encode(self, prompt: str) -> Mapping[str, Any]:
        """The network's arguments for one prompt, each with a leading dimension of 1."""

    def decode(self, latents: Tensor) -> Tensor:
        """(K,3,H,W) in [-1, 1] from latents; with checkpointing one by one, each repeated in backward."""
        decode: Callable[[Tensor], Tensor] = self._decode
        if not (latents.requires_grad and torch.is_grad_enabled()):
            count = self._decoded_at_once()
        elif not self.checkpointing:
            count = len(latents)
        else:
            count = 1
            if not self.pipe.vae._supports_gradient_checkpointing:  # repeats none of its own parts
                decode = partial(checkpoint, self._decode, use_reentrant=False)
        decoded = [decode(part) for part in latents.split(max(1, count))]
        return decoded[0] if len(decoded) == 1 else torch.cat(decoded)

    def _decode(self, latents: Tensor) -> Tensor:
        vae = self.autoencoder()
        return vae.decode(self.unscaled(latents.to(vae.dtype)), return_dict=False)[0]

    def _decoded_at_once(self) -> int:
        """How many images are decoded in a batch that stores no activations."""
        room = torch.cuda.mem_get_info(self.device)[0] / 2 if self.device.type == "cuda" else 2**30
        each = LAYERS_AT_ONCE * 256 * self.size**2 * self.pipe.vae.dtype.itemsize
        return int(room // each)

    def encode_pixels(self, pixels: Tensor) -> Tensor:
        """Latents (K,C,h,w), in the scale the network sees, of images (K,3,H,W) in [-1, 1]; the mean where
        the autoencoder is random.
        """
        vae = self.autoencoder()
        encoded = vae.encode(pixels.to(self.device, vae.dtype))
        known = [getattr(encoded, name) for name in ("latents", "latent") if hasattr(encoded, name)]
        latents: Tensor = known[0] if known else encoded.latent_dist.mode()
        return self.scaled(latents).to(self.dtype)

    def unscaled(self, latents: Tensor) -> Tensor:
        """From the scale the network sees to the autoencoder's own."""
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
        self.network.disable_adapters()
        try:
            yield
        finally:
            self.network.enable_adapters()
            self._at_base = False

    def parameters(self) -> dict[str, torch.nn.Parameter]:
        """The LoRA's weights by name."""
        return {name: weight for name, weight in self.network.named_parameters() if "lora_" in name}

    def save(self, folder: Path) -> None:
        """Write ``pytorch_lora_weights.safetensors``, which ``pipe.load_lora_weights(folder)`` reads."""
        layers = {f"{self.part}_lora_layers": get_peft_model_state_dict(self.network)}
        self.pipe.save_lora_weights(str(folder), **layers)

    def load(self, folder: Path) -> None:
        """Take the weights of a saved LoRA of the same rank; raises `RankkitError` for any other file."""
        _lora.load(self.network, self.part, folder)

    def condition(self, prompt: str) -> Mapping[str, Any]:
        """The network's arguments for one prompt, encoded once and kept; of many prompts, those that came
        last.
        """
        if prompt not in self._conditions:
            if len(self._conditions) == self.prompts_kept:
                self._conditions.pop(next(iter(self._conditions)))
            with torch.no_grad():
                self._conditions[prompt] = self.encode(prompt)
        return self._conditions[prompt]
