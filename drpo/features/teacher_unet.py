"""Activations of the frozen base U-Net on slightly noised latents: the paper's map for SDXL-Turbo (arXiv
2606.02521).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d
from torch.utils.checkpoint import checkpoint

from drpo.types import Sample
from rankkit import RankkitError

BLOCKS = ("down_blocks.2", "mid_block", "up_blocks.0")


class TeacherUNet:
    """One key per block: (K, pool², C), the block's output averaged over a pool×pool grid.

    `generator` lends its U-Net with the adapters off, so there is no second copy. `noise` is added to the
    latents, the same for every candidate, because features of equal images must be equal; `timestep` is
    what the U-Net is told. The pass ends at the last block.
    """

    def __init__(
        self,
        generator: Any,
        *,
        blocks: Sequence[str] = BLOCKS,
        noise: float = 0.1,
        timestep: int = 100,
        pool: int = 4,
    ) -> None:
        self.generator, self.blocks, self.noise, self.timestep, self.pool = (
            generator,
            tuple(blocks),
            noise,
            timestep,
            pool,
        )
        modules = dict(generator.pipe.unet.named_modules())
        missing = [block for block in self.blocks if block not in modules]
        if missing:
            raise RankkitError(
                f"this U-Net has no {', '.join(missing)}; its blocks are {', '.join(_blocks(modules))}"
            )

    def __call__(self, sample: Sample) -> Mapping[str, Tensor]:
        """The activations of every candidate."""
        latents = sample.latents
        fixed = torch.randn(latents.shape[1:], generator=torch.Generator().manual_seed(0)).to(latents)
        found: dict[str, Tensor] = {}
        with (
            self.generator.reference(),
            _repeated_at_base(self.generator),
            self._watched(found),
            suppress(_EnoughSeenError),
        ):
            self.generator.unet_on(sample.prompt, latents + self.noise * fixed, self.timestep)
        return {block: adaptive_avg_pool2d(found[block], self.pool).flatten(2).mT for block in self.blocks}

    @contextmanager
    def _watched(self, found: dict[str, Tensor]) -> Iterator[None]:
        """Inside it the blocks' outputs land in `found`, and the pass is broken off when all are there."""

        def keep(name: str) -> Any:
            def hook(module: Any, inputs: Any, output: Any) -> None:
                found[name] = output[0] if isinstance(output, tuple) else output
                if len(found) == len(self.blocks):
                    raise _EnoughSeenError

            return hook

        modules = dict(self.generator.pipe.unet.named_modules())
        handles = [modules[block].register_forward_hook(keep(block)) for block in self.blocks]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def load(generator: Any) -> TeacherUNet:
    """The map on the generator's own base; raises `RankkitError` for a generator without a U-Net."""
    if not hasattr(getattr(generator, "pipe", None), "unet"):
        raise RankkitError(
            f"teacher_unet looks through the generator's own U-Net, and {type(generator).__name__} has "
            "no U-Net; take another map, as features=vit_mae"
        )
    return TeacherUNet(generator)


class _EnoughSeenError(Exception):
    """Raised by a hook to end a forward pass early."""


@contextmanager
def _repeated_at_base(generator: Any) -> Iterator[None]:
    """Where gradient checkpointing is on: what it repeats in backward is repeated with the adapters off, as
    it was the first time.
    """
    unet = generator.pipe.unet
    if not unet.is_gradient_checkpointing:
        yield
        return

    def repeated(module: Any, *inputs: Any) -> Any:
        return checkpoint(
            module, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), generator.reference())
        )

    unet.enable_gradient_checkpointing(repeated)
    try:
        yield
    finally:
        unet.enable_gradient_checkpointing()


def _blocks(modules: Mapping[str, Any]) -> list[str]:
    return [name for name in modules if name == "mid_block" or (name.count(".") == 1 and "_blocks." in name)]
