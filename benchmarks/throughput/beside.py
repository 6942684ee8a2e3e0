"""What is measured beside `rankkit score`: a ranker as it is called here, and the other loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Groups = list[tuple[str, list[Path]]]  # prompts with their images


@dataclass(frozen=True)
class Beside:
    """A ranker with its options, and `loop`: the scores of all images, in order, and the CPU's seconds.

    Scores of both differ by less than `near`; `about` goes into the row.
    """

    ranker: str
    options: Mapping[str, Any]
    loop: Callable[[Groups], tuple[list[float], float]]
    near: float
    about: Mapping[str, Any]
