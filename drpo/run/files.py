"""The files of a run folder by name, those of earlier versions too, and their rows."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rankkit import RankkitError
from rankkit.plugin import reason_of, replacing_file

LORA = "pytorch_lora_weights.safetensors"  # as diffusers names it
LOG, EVALUATIONS, GRIDS, BEST = "log.jsonl", "evaluations.jsonl", "sample_grids", "best"
IMAGES = "images"  # of the evaluations at their full size: base/ and a folder per step
EARLIER = {EVALUATIONS: "looks.jsonl", GRIDS: "strips"}
"""What a file or folder was called before 0.1."""


def find(run: Path, name: str) -> Path:
    """A file or folder of a run, under the name that an earlier version gave it where only that is there."""
    path = run / name
    before = run / EARLIER.get(name, name)
    return before if not path.exists() and before.exists() else path


def trained_lora(run: Path) -> Path:
    """The file of a run's averaged LoRA. Raises `RankkitError` where training has not ended."""
    if not (run / LORA).is_file():
        raise RankkitError(
            f"{run} has no {LORA} yet; it is written when training ends: `drpo train` again with out={run}"
        )
    return run / LORA


def set_aside(run: Path, steps: int) -> None:
    """Give the LoRA of a run that goes on past `steps` a name of its own: it is not the longer run's."""
    if (run / LORA).is_file():
        name = f"{Path(LORA).stem}_{steps:06d}.safetensors"
        (run / LORA).rename(run / name)
        print(f"{run / LORA} is of {steps} steps, and is called {name} now", file=sys.stderr)


def take_over(run: Path) -> None:
    """Give what an earlier version wrote its present name, and say so: a run that goes on writes one file."""
    for name, before in EARLIER.items():
        if find(run, name).name == before:
            (run / before).rename(run / name)
            print(f"{run / before} is called {name} now, and was renamed", file=sys.stderr)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a ``.jsonl`` file of a run; a torn last line is left out.

    Raises `RankkitError` for a file with a line that is no row.
    """
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            continue
        try:
            rows.append(dict(json.loads(line)))
        except (ValueError, TypeError) as error:
            raise RankkitError(
                f"{path}, line {number}, is no row of a run ({reason_of(error)}); take the line out"
            ) from None
    return rows


def append_row(
    path: Path, row: Mapping[str, float], *, images: Mapping[str, list[list[float]]] | None = None
) -> None:
    """Add a row; what is not a finite number becomes null. `images` are an evaluation's figures per ranker,
    prompt and noise.
    """
    plain: dict[str, Any] = {name: _plain(value) for name, value in row.items()}
    if images:
        plain["images"] = {
            name: [[_plain(each) for each in prompt] for prompt in figures]
            for name, figures in images.items()
        }
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(plain) + "\n")


def _plain(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None


def drop_rows_after(path: Path, step: int) -> None:
    """Drop the rows that lie after `step`."""
    if path.is_file():
        rows = [json.dumps(row) + "\n" for row in read_rows(path) if row.get("step", step) <= step]
        with replacing_file(path) as part:
            part.write_text("".join(rows), encoding="utf-8")
