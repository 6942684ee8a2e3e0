"""Transformers distilled to a few steps of a flow: the twin of `one_step`, gradient through the last ones.

A candidate is what the stock pipeline gives, and it is the stock pipeline that makes it: its schedule, the
sign of what it predicts and the packing of its latents are not copied here. Every step but the last
`graph_steps` runs without a graph; docs/method.md says what that loses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from drpo.generators._adapted import Adapted
from drpo.types import Sample
from rankkit import RankkitError, UsageError


class FewSteps(Adapted):
    """A pipeline with a transformer, called with `arguments`, in `inference_steps` steps; see `Adapted`.

    `image_size` is the side of an image in pixels. The base makes its samples from the same noises, by the
    same schedule.
    """

    part = "transformer"
    arguments: ClassVar[Mapping[str, Any]]  # what its authors sample it with, beside the number of steps
    cell = 2  # latents per side of a patch, which the transformer sees as one

    def __init__(
        self,
        pipe: Any,
        *,
        image_size: int,
        inference_steps: int,
        rank: int = 16,
        checkpointing: bool = False,
        graph_steps: int = 1,
    ) -> None:
        patch = self.cell * int(pipe.vae_scale_factor)
        if image_size < patch or image_size % patch:
            raise UsageError(
                f"image_size={image_size} is no multiple of {patch}, one patch of {self._of(pipe)}"
            )
        if getattr(pipe.scheduler.config, "stochastic_sampling", False):
            raise RankkitError(
                f"the scheduler of {self._of(pipe)} draws noise between steps (stochastic_sampling), so a "
                "candidate would be another each time; set it to false in scheduler_config.json"
            )
        self.image_size, self.inference_steps, self.graph_steps = image_size, inference_steps, graph_steps
        super().__init__(pipe, rank=rank, checkpointing=checkpointing)

    @property
    def size(self) -> int:
        """Side of an image in pixels."""
        return self.image_size

    def sample(self, prompt: str, noise: Tensor) -> Sample:
        """One candidate per row of noise; its graph goes through the last `graph_steps`."""
        wanted = torch.is_grad_enabled()
        with torch.set_grad_enabled(wanted and self._with_graph(0)):
            latents = self.by_pipeline(
                prompt,
                noise,
                **self.arguments,
                height=self.size,
                width=self.size,
                num_inference_steps=self.inference_steps,
                callback_on_step_end=self._between_steps(wanted),
            )
        return Sample(prompt, latents, self.decode)

    def _with_graph(self, step: int) -> bool:
        """Whether the gradient goes through this step, the first being 0."""
        return step >= self.inference_steps - self.graph_steps

    def _between_steps(self, wanted: bool) -> Callable[[Any, int, Any, dict[str, Any]], dict[str, Any]]:
        """What the pipeline calls after each step: it turns the graph on for the last ones, if `wanted`."""

        def after(pipe: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
            torch.set_grad_enabled(wanted and self._with_graph(step + 1))
            return values

        return after

    @staticmethod
    def _of(pipe: Any) -> str:
        return repr(pipe.name_or_path)
