"""Images from a finished run, through the stock diffusers pipeline and nothing of the trainer's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from drpo import build
from drpo.config import Config
from drpo.data.prompts import prompts as prompts_of
from drpo.run import checkpoint
from drpo.types import Generator, Prompt, fixed_seeds
from rankkit import RankkitError, UsageError
from rankkit.plugin import replacing_file

LORA, METADATA = "pytorch_lora_weights.safetensors", "metadata.jsonl"


def sample_run(
    run: Path, prompts: str | Path, out: Path, *, each: int = 4, seed: int = 0, base: bool = False
) -> Path:
    """Write `each` images per prompt into ``out/00000/0.png``, with the prompt beside them.

    Where prompts have metadata, ``out/metadata.jsonl`` holds it, for `rankkit score` to read. ``base`` leaves
    the LoRA out. Raises `UsageError` where these folders hold somebody else's files.
    """
    config = read_config(run, say=True)
    given = prompts_of(str(prompts))
    folders = [out / f"{index:05d}" for index in range(len(given))]
    _check_ours(out, folders)
    generator = trained(config, None if base else run)
    for index, (prompt, folder) in enumerate(zip(given, folders, strict=True)):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "prompt.txt").write_text(prompt.text + "\n", encoding="utf-8")
        noise = generator.noise(each, next(fixed_seeds(seed, index)))
        with torch.no_grad():
            images = generator.sample(prompt.text, noise).images()
        for number, image in enumerate(images):
            image.save(folder / f"{number}.png")
    _keep_metadata(out, given, each)
    return out


def _keep_metadata(out: Path, given: Sequence[Prompt], each: int) -> None:
    """Write a row per image with what its prompt came with; no file where no prompt came with anything."""
    (out / METADATA).unlink(missing_ok=True)
    if not any(prompt.metadata for prompt in given):
        return
    with replacing_file(out / METADATA) as part, open(part, "w", encoding="utf-8", newline="\n") as file:
        for index, prompt in enumerate(given):
            for number in range(each):
                place = {
                    "file_name": f"{index:05d}/{number}.png",
                    "prompt": prompt.text,
                    "group": f"{index:05d}",
                }
                file.write(json.dumps({**prompt.metadata, **place}, ensure_ascii=False) + "\n")


def _check_ours(out: Path, folders: Sequence[Path]) -> None:
    """Refuse folders that hold files of somebody else: ours have a prompt.txt beside the images."""
    if (out / METADATA).exists() and not (folders[0] / "prompt.txt").is_file():
        raise UsageError(f"{out / METADATA}: is a file that drpo did not write; give another --out")
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
