"""Images from a finished run, through the stock diffusers pipeline and nothing of the trainer's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from drpo import build
from drpo.config import Config
from drpo.data.prompts import prompts as prompts_of
from drpo.run import checkpoint
from drpo.types import Generator, fixed_seeds
from rankkit import RankkitError, UsageError

LORA = "pytorch_lora_weights.safetensors"


def sample_run(
    run: Path, prompts: Path, out: Path, *, each: int = 4, seed: int = 0, base: bool = False
) -> Path:
    """Write `each` images per prompt into ``out/00000/0.png``, with the prompt beside them.

    ``base`` leaves the LoRA out. Raises `UsageError` where these folders hold somebody else's files.
    """
    config = read_config(run, say=True)
    given = prompts_of(str(prompts))
    folders = [out / f"{index:05d}" for index in range(len(given))]
    _check_ours(folders)
    generator = trained(config, None if base else run)
    for index, (prompt, folder) in enumerate(zip(given, folders, strict=True)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prompt.txt").write_text(prompt + "\n", encoding="utf-8")
        noise = generator.noise(each, next(fixed_seeds(seed, index)))
        with torch.no_grad():
            images = generator.sample(prompt, noise).images()
        for number, image in enumerate(images):
            image.save(folder / f"{number}.png")
    return out


def _check_ours(folders: Sequence[Path]) -> None:
    """Refuse folders that hold files of somebody else: ours have a prompt.txt beside the images."""
    for folder in folders:
        if folder.exists() and not folder.is_dir():
            raise UsageError(f"{folder}: is no folder; give another --out")
        if folder.exists() and any(folder.iterdir()) and not (folder / "prompt.txt").is_file():
            raise UsageError(f"{folder}: holds files that drpo did not write; give another --out")


def read_config(run: Path, *, say: bool = False) -> Config:
    """The config a run folder was made with; `say` as in `checkpoint.read`."""
    plain = checkpoint.read(run, say=say)
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
    }
    try:
        return Config(**values)
    except TypeError as error:
        raise RankkitError(
            f"{run} was made by another version of drpo: {error}; train it again in another out="
        ) from None


def trained(config: Config, run: Path | None) -> Generator:
    """The generator with the LoRA of a run, or as its base."""
    generator = build.generator(config)
    if run is not None:
        if not (run / LORA).is_file():
            raise RankkitError(
                f"{run} has no {LORA} yet; it is written when training ends: `drpo train` again with "
                f"out={run}"
            )
        generator.load(run)
    return generator
