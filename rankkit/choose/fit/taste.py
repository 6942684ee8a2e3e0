"""A taste in a folder: ``taste.json`` says of what it is made, ``weights.safetensors`` holds the numbers.

Nothing in it is code. The json names the sha256 of the numbers, so that neither can be damaged, or be of
another fit, without being noticed. `version` changes with the labels, the features and the weights.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np

from rankkit.choose.fit.basic import Floats
from rankkit.choose.fit.collect import CACHE
from rankkit.choose.fit.features import Kind
from rankkit.choose.fit.model import Scale
from rankkit.core.images import fingerprint
from rankkit.core.text import plain
from rankkit.errors import BrokenRanker, UsageError
from rankkit.io.atomic import replacing_file, write_whole
from rankkit.registry.spec import TASTE as JSON

FORMAT, WEIGHTS = 1, "weights.safetensors"
NUMBERS = ("mean", "scale", "low", "high", "weights")


@dataclass(frozen=True, slots=True)
class PartOf:
    """A part of the features that a taste was fitted on: its text, what it was then, and how many numbers."""

    spec: str
    kind: Kind
    identity: str
    needs_prompt: bool
    size: int


@dataclass(frozen=True)
class Taste:
    """What a folder holds: features are standardised by `scale`, and a score is their product with `weights`.

    `about` is what is known of the labels and of how well they are met.
    """

    parts: tuple[PartOf, ...]
    scale: Scale
    weights: Floats
    labels: str  # sha256 of what was fitted
    about: Mapping[str, Any] = field(default_factory=dict)

    def scores(self, features_md: Floats) -> Floats:
        """One score per image: differences are the log odds of being chosen. NaN where a feature is NaN."""
        return self.scale.apply(features_md) @ self.weights

    @property
    def needs_prompt(self) -> bool:
        """Whether it says nothing of an image without a prompt."""
        return any(part.needs_prompt for part in self.parts)

    @property
    def arrays(self) -> dict[str, Floats]:
        """The numbers by name, (d,) each."""
        return {**{name: getattr(self.scale, name) for name in NUMBERS[:-1]}, "weights": self.weights}

    @property
    def numbers(self) -> bytes:
        """The numbers as a file of safetensors."""
        from safetensors.numpy import save

        return save({name: np.ascontiguousarray(array) for name, array in self.arrays.items()})

    @property
    def version(self) -> str:
        """12 hexadecimal digits, which change with labels, features and weights."""
        made_of = json.dumps(
            [FORMAT, [asdict(part) for part in self.parts], self.labels, fingerprint(self.numbers)]
        )
        return fingerprint(made_of.encode())[:12]


def check_folder(folder: Path) -> None:
    """Refuse a place for a taste that is a file, or a folder of anything else. Raises `UsageError`.

    A folder that holds no more than what a fit leaves that was stopped, or refused, is none of anything else.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, and a taste is a folder; give another one with -o")
    if folder.is_dir() and not (folder / JSON).is_file() and not all(map(_is_of_a_fit, os.listdir(folder))):
        raise UsageError(f"{folder} holds other things than a taste; give a new folder with -o")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made ({error.strerror}); give another folder with -o") from None


def _is_of_a_fit(name: str) -> bool:
    return name in {each for file in (CACHE, WEIGHTS, JSON) for each in (file, f".{file}.part")}


def save(taste: Taste, folder: Path) -> None:
    """Write a taste into a folder, in place of the one that was there. Raises `OSError`."""
    numbers = taste.numbers
    record = {
        "format": FORMAT,
        "version": taste.version,
        "features": [asdict(part) for part in taste.parts],
        "labels": taste.labels,
        "numbers": fingerprint(numbers),
        "about": plain(taste.about),
    }
    with replacing_file(folder / WEIGHTS) as part:
        part.write_bytes(numbers)
    write_whole(folder / JSON, json.dumps(record, indent=2, ensure_ascii=False) + "\n")


def load(folder: str | os.PathLike[str]) -> Taste:
    """The taste in a folder.

    Raises `UsageError` for no such folder, `BrokenRanker`, in words, for one that is damaged or was made by
    another version of rankkit.
    """
    folder = Path(folder)
    if not (folder / JSON).is_file():
        raise UsageError(f"{folder} is no ranker: {_why_none(folder)}")
    try:
        record = json.loads((folder / JSON).read_text("utf-8"))
        if not isinstance(record, dict) or not isinstance(record.get("format"), int):
            raise ValueError("it is no taste")
    except (OSError, ValueError, RecursionError) as error:
        raise BrokenRanker(f"{folder / JSON} cannot be read ({error}); {again(folder)}") from None
    if record["format"] != FORMAT:
        raise BrokenRanker(
            f"{folder} has format {record['format']} and this rankkit reads {FORMAT}; it was made by another "
            f"version: update rankkit, or {again(folder)}"
        )
    return _read(folder, record)


def _why_none(folder: Path) -> str:
    """What stands where a taste is looked for, and what to name instead."""
    if ".py:" in folder.name:
        return (
            f"a function in a file is named {folder.name.replace('.py:', ':')}, in a command that is given "
            "in the folder of the file"
        )
    if folder.is_dir() and os.listdir(folder):
        return f"there is no {JSON} in it; name a folder that rankkit fit has written"
    if folder.exists() and not folder.is_dir():
        return f"it is a file; name a folder that rankkit fit has written, such as {folder.absolute().parent}"
    what = "it is empty" if folder.is_dir() else "there is no such folder"
    return f"{what}; rankkit fit labels.jsonl -o {folder} makes one"


def _read(folder: Path, record: Mapping[str, Any]) -> Taste:
    try:
        from safetensors.numpy import load as load_numbers
    except ImportError:
        raise BrokenRanker(f"{folder} needs safetensors to be read: pip install 'rankkit-t2i[fit]'") from None
    try:
        data = (folder / WEIGHTS).read_bytes()
        if fingerprint(data) != record["numbers"]:
            raise ValueError(f"{WEIGHTS} is not what {JSON} says: it was changed, or is of another fit")
        parts = tuple(PartOf(**part) for part in record["features"])
        found = {name: array.astype(np.float64) for name, array in load_numbers(data).items()}
        scale = Scale(*(found[name] for name in NUMBERS[:-1]))
        taste = Taste(parts, scale, found["weights"], record["labels"], record["about"])
        _check_shapes(taste)
    except (KeyError, TypeError) as error:  # whole, and without what this version looks for
        raise BrokenRanker(
            f"{folder} was fitted by another version of rankkit ({error}); {again(folder)}"
        ) from None
    except Exception as error:  # whatever a damaged folder brings about
        raise BrokenRanker(f"{folder} is damaged ({error}); {again(folder)}") from None
    return taste


def _check_shapes(taste: Taste) -> None:
    size = sum(part.size for part in taste.parts)
    for name, array in taste.arrays.items():
        if array.shape != (size,):
            raise ValueError(f"{name} has the shape {array.shape}, not {size} numbers")
    if not taste.parts or any(part.kind not in get_args(Kind) for part in taste.parts):
        raise ValueError("it names features of no known kind")
    finite = all(np.isfinite(array).all() for name, array in taste.arrays.items() if name != "scale")
    if not finite or not (taste.scale.scale > 0).all():
        raise ValueError("its numbers are not finite")


def check_identity(folder: Path, part: PartOf, identity: str) -> None:
    """Raise `BrokenRanker` where features are other ones today than those that a taste was fitted on."""
    if part.identity != identity:
        raise BrokenRanker(
            f"{folder} was fitted on the features {part.identity}, and here they are {identity}; "
            f"{again(folder)}"
        )


def again(folder: Path) -> str:
    """Advice for a taste that is of no use any more."""
    return f"fit it again: rankkit fit labels.jsonl -o {folder}"


def labels_id(rows: Sequence[tuple[Any, ...]]) -> str:
    """sha256 of the answers that were fitted."""
    return fingerprint(json.dumps(rows).encode())
