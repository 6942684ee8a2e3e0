"""The built-in generator: a tiny diffusers pipeline that draws coloured shapes in one step, on any CPU,
without a download.

Its weights ship with the package (trained by ``python -m benchmarks.train_shapes``). It is misaligned by
design: about half of its images contradict their prompt, and the noise decides which; repairing it is what
training is for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import transformers
from diffusers import StableDiffusionPipeline
from diffusers.utils import logging

from drpo import hub
from drpo.generators.one_step import OneStep
from rankkit import RankkitError

WEIGHTS = Path(__file__).parents[1] / "shapes" / "weights"
# its layers are too small to share: a second thread costs more than it gives, unless OMP_NUM_THREADS asks for
# it
THREADS = 1


class World(OneStep):
    """A generator of the shapes world, which brings the weights of the feature map ``latent_mae`` for its own
    latents.
    """

    latent_mae: Path


def load(
    model: str = "",
    *,
    rank: int = 16,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    checkpointing: bool = False,
    inference_steps: int = 1,
    graph_steps: int = 1,
) -> World:
    """The generator, from `model` (a folder) or from the package."""
    folder = Path(model) if model else WEIGHTS
    if not (folder / "model_index.json").is_file():
        raise RankkitError(
            f"{folder} holds no generator of the shapes world; `python -m benchmarks.train_shapes` trains one"
        )
    with _quiet():
        pipe = hub.pipeline(StableDiffusionPipeline, str(folder), device, dtype, safety_checker=None)
        pipe.vae.to(memory_format=torch.channels_last)  # on a CPU its convolutions take half the time so
        made = World(
            pipe,
            rank=rank,
            checkpointing=checkpointing,
            inference_steps=inference_steps,
            graph_steps=graph_steps,
        )
    made.latent_mae = folder / "latent_mae.safetensors"
    return made


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the libraries' bars, and diffusers' remarks on an autoencoder of another class and on half
    precision, harmless here.
    """
    level = logging.get_verbosity()
    logging.set_verbosity_error()
    for library in (logging, transformers.utils.logging):
        library.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        for library in (logging, transformers.utils.logging):
            library.enable_progress_bar()
