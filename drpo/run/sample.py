"""Images from a finished run, through the stock diffusers pipeline and nothing of the trainer's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from drpo import build
from drpo.config import Config
from drpo.data.prompts import prompts as prompts_of
from drpo.run import checkpoint
from drpo.run.files import trained_lora
from drpo.types import Generator, fixed_seeds
from rankkit import Group, Ranker, RankkitError, UsageError
from rankkit.plugin import rank_groups, replacing_file

METADATA = "metadata.jsonl"
AT_ONCE = 16  # candidates that are generated together
Row = dict[str, Any]


@dataclass
class BestOf:
    """Of `of` candidates per prompt those are kept that a ranker, called `name`, puts first.

    `silent` are the prompts of which it abstained on all candidates, each with the reason; they get no image.
    """

    of: int
    name: str
    ranker: Ranker
    silent: list[str] = field(default_factory=list)

    def keep(self, group: Group, each: int) -> list[tuple[Image.Image, Row]]:
        """The best of a group, the best first, each with what its row says of that."""
        (ranking,) = rank_groups(self.ranker, [group], self.name)
        places = sorted((rank, index) for index, rank in enumerate(ranking.ranks) if rank == rank)
        if not places:
            reasons = (str(details.get("error", "")) for details in ranking.details)
            why = next(filter(None, reasons), "without a reason")
            self.silent.append(f"{group.prompt}: {self.name} abstained on all {self.of} candidates: {why}")
        said = {"ranker": self.name, "best_of": self.of}
        return [
            (group.images[index], {**said, "score": ranking.scores[index], "rank": rank, "candidate": index})
            for rank, index in places[:each]
        ]


def sample_run(
    run: Path,
    prompts: str | Path,
    out: Path,
    *,
    each: int = 4,
    seed: int = 0,
    base: bool = False,
    best: BestOf | None = None,
) -> Path:
    """Write `each` images per prompt into ``out/00000/0.png``, with the prompt beside them.

    With `best` these are the best of so many candidates, the best first. ``out/metadata.jsonl`` says so of
    each, and holds the prompts' metadata where there are any, for `rankkit score` to read. ``base`` leaves
    the LoRA out. Images of an earlier sampling are replaced. Raises `UsageError` where these folders hold
    somebody else's files.
    """
    config = read_config(run, say=True)
    given = prompts_of(str(prompts))
    folders = [out / f"{index:05d}" for index in range(len(given))]
    _check_ours(out, folders)
    generator = trained(config, None if base else run)
    rows: list[Row] = []
    for index, (prompt, folder) in enumerate(zip(given, folders, strict=True)):
        group = Group(prompt.text, _images(generator, prompt.text, best.of if best else each, seed, index),
                      id=folder.name, metadata=prompt.metadata)  # fmt: skip
        kept: list[tuple[Image.Image, Row]] = (
            best.keep(group, each) if best else [(image, {}) for image in group.images]
        )
        _write(folder, prompt.text, [image for image, _ in kept])
        for number, (_, said) in enumerate(kept):
            place = {"file_name": f"{folder.name}/{number}.png", "prompt": prompt.text, "group": folder.name}
            rows.append({**prompt.metadata, **said, **place})
    for folder in set(out.glob("[0-9]" * 5)) - set(folders):  # an earlier sampling of more prompts
        _clear(folder)
    _keep_rows(out, rows if best or any(prompt.metadata for prompt in given) else [])
    return out


def _images(generator: Generator, prompt: str, count: int, seed: int, index: int) -> tuple[Image.Image, ...]:
    """So many candidates of one prompt, a few at a time."""
    noise = generator.noise(count, next(fixed_seeds(seed, index)))
    with torch.no_grad():
        return tuple(
            image for part in noise.split(AT_ONCE) for image in generator.sample(prompt, part).images()
        )


def _write(folder: Path, prompt: str, images: Sequence[Image.Image]) -> None:
    """One prompt's folder, without the numbered images that an earlier sampling left there."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prompt.txt").write_text(prompt + "\n", encoding="utf-8")
    for number, image in enumerate(images):
        image.save(folder / f"{number}.png")
    _drop_images(folder, len(images))


def _clear(folder: Path) -> None:
    """Remove what a sampling wrote into a folder of one prompt, and the folder where it is empty then."""
    if (folder / "prompt.txt").is_file():
        _drop_images(folder, 0)
        (folder / "prompt.txt").unlink()
        with suppress(OSError):
            folder.rmdir()


def _drop_images(folder: Path, first: int) -> None:
    for path in folder.glob("*.png"):
        if path.stem.isdecimal() and int(path.stem) >= first:
            path.unlink()


def _keep_rows(out: Path, rows: Sequence[Row]) -> None:
    """Write a row per image with what is known of it; no file where nothing is."""
    (out / METADATA).unlink(missing_ok=True)
    if not rows:
        return
    with replacing_file(out / METADATA) as part, open(part, "w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _check_ours(out: Path, folders: Sequence[Path]) -> None:
    """Refuse folders that hold files of somebody else: ours have a prompt.txt beside the images."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: is no folder; give another --out")
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
    lora = None if run is None else trained_lora(run)  # before anything is loaded
    generator = build.generator(config)
    if lora:
        generator.load(lora.parent)
    return generator
