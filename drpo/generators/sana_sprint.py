"""SANA-Sprint (arXiv 2503.09641): a linear transformer on the latents of a deep autoencoder, prompts read by
Gemma 2, distilled to one to four steps; 1024 pixels.

A candidate is what the stock pipeline gives, and it is the stock pipeline that makes it, with its graph kept:
no conversion between TrigFlow and flow, no guidance scale and no instruction to Gemma is copied here. A
trained run is sampled by::

    pipe.load_lora_weights(RUN)
    pipe(prompt, num_inference_steps=1, intermediate_timesteps=None)
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from diffusers import SanaSprintPipeline
from torch import Tensor

from drpo import hub
from drpo.generators._adapted import Adapted
from drpo.types import Sample
from rankkit import RankkitError

MODEL = "Efficient-Large-Model/Sana_Sprint_0.6B_1024px_diffusers"
ENCODING = ("complex_human_instruction", "max_sequence_length", "clean_caption")


class SanaSprint(Adapted):
    """A SANA-Sprint pipeline whose transformer carries the LoRA; its guidance scale, an input of the
    transformer, is the pipeline's default.
    """

    part = "transformer"
    prompts_kept = 500  # in half precision, 700 MB

    def __init__(self, pipe: Any, *, rank: int = 16, checkpointing: bool = False) -> None:
        if not pipe.transformer.config.guidance_embeds:
            raise RankkitError(
                f"the transformer of {pipe.name_or_path!r} takes no guidance scale, so it is no SANA-Sprint; "
                f"give model= a distilled one, as {MODEL}"
            )
        super().__init__(pipe, rank=rank, checkpointing=checkpointing)

    @property
    def dtype(self) -> torch.dtype:
        """What latents are in: float32 in every precision, as the pipeline's own."""
        return torch.float32

    def sample(self, prompt: str, noise: Tensor) -> Sample:
        """One candidate per row of noise."""
        latents = self.by_pipeline(
            prompt,
            noise,
            num_inference_steps=1,
            intermediate_timesteps=None,
            # the scheduler draws noise for a second step
            generator=torch.Generator(self.device).manual_seed(0),
            use_resolution_binning=False,
        )
        return Sample(prompt, latents, self.decode)

    def encode(self, prompt: str) -> Mapping[str, Any]:
        """Gemma's embedding of the prompt after the pipeline's default instruction, and its mask, each with a
        leading 1.
        """
        defaults = inspect.signature(type(self.pipe).__call__).parameters
        embedding, mask = self.pipe.encode_prompt(
            prompt, device=self.device, **{name: defaults[name].default for name in ENCODING}
        )
        return {"prompt_embeds": embedding, "prompt_attention_mask": mask}


def load(
    model: str = "",
    *,
    rank: int = 16,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = True,
) -> SanaSprint:
    """The generator from `model`, a hub id or a local folder; `dtype` is that of the frozen weights."""
    pipe = hub.pipeline(SanaSprintPipeline, model or MODEL, device, dtype)
    return SanaSprint(pipe, rank=rank, checkpointing=checkpointing)
