"""Whether a pipeline has all that it needs to make an image of a prompt: the libraries load it without."""

from __future__ import annotations

import inspect
from typing import Any

from rankkit import RankkitError

PARTS = (
    "tokenizer",
    "tokenizer_2",
    "text_encoder",
    "text_encoder_2",
    "vae",
    "unet",
    "transformer",
    "scheduler",
)
SENTENCE = "a photograph of the mountain"  # five words, which are 24 letters


def check_parts(pipe: Any) -> None:
    """Raise `RankkitError` where a pipeline lacks a part, or a tokenizer its words: the libraries make one
    that knows none, and every prompt would be the same.
    """
    parts = [part for part in PARTS if part in inspect.signature(type(pipe).__init__).parameters]
    absent = [part for part in parts if getattr(pipe, part, None) is None]
    if absent:
        raise RankkitError(
            f"{pipe.name_or_path!r} has no {', '.join(absent)}, without which it makes no image of a prompt "
            "(a refiner is such a pipeline); give model= a complete text-to-image model"
        )
    for part in parts:
        if part.startswith("tokenizer") and (why := _tokenizer_fault(getattr(pipe, part))):
            raise RankkitError(
                f"the {part} of {pipe.name_or_path!r} {why}, so prompts would not be read as they were in "
                f"its training; download the folder {part}/ again, with all its files"
            )


def _tokenizer_fault(tokenizer: Any) -> str:
    """What a tokenizer lacks, going by what it makes of words; empty for nothing."""
    if len(tokenizer) - len(set(tokenizer.all_special_ids)) < 2:
        return f"knows {len(tokenizer)} tokens and no words"
    if len(tokenizer) > 1000 and len(tokenizer.tokenize(SENTENCE)) > 20:
        return "reads words letter by letter (its merges are missing)"
    if type(tokenizer).__name__.startswith("CLIP") and tokenizer.model_max_length > 10**6:
        return "says no greatest length (tokenizer_config.json is missing)"
    return ""
