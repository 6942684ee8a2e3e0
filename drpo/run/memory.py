"""How many prompts of a step are held in memory together, and whether activations are kept or made anew."""

from __future__ import annotations

import os

import torch
from torch import Tensor

from drpo.config import Config
from drpo.generators._adapted import Adapted
from drpo.types import FeatureMap, Generator


def at_once(config: Config, generator: Generator, features: FeatureMap, prompts: int) -> int:
    """How many of a step's `prompts` go through the network together, as ``config.checkpointing`` says, which
    is switched on where the activations of one do not fit.
    """
    if not isinstance(generator, Adapted):
        return prompts
    if config.checkpointing == "on":
        return 1
    each = activations(generator, features) * config.group_size
    fitting = room(generator.device) // max(each, 1)
    if config.checkpointing == "auto" and not fitting:
        generator.use_checkpointing(True)
    return max(1, min(prompts, fitting))


def activations(generator: Generator, features: FeatureMap) -> int:
    """Bytes that are kept for backward per candidate: what two candidates take more than one."""
    one, two = (_kept(generator, features, count) for count in (1, 2))
    return two - one


def room(device: torch.device) -> int:
    """Bytes that activations may take: three quarters of what is free of a GPU's memory, a third of a
    machine's; the ranker, the decoder and what backward needs take the rest.
    """
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] * 3 // 4
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 3
    except (AttributeError, ValueError, OSError):  # a system that does not tell
        return 2**31


def _kept(generator: Generator, features: FeatureMap, count: int) -> int:
    sizes: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        seen = features(generator.sample("", generator.noise(count, 0)))
    total = sum(sizes.values())
    del seen
    return total
