"""Models of transformers that come with an image processor of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rankkit.errors import BrokenRanker
from rankkit_torch.checkpoints import read
from rankkit_torch.models import load_pretrained


def with_processor(folder: Path, name: str, *, model_type: str, what: str, wanted: str) -> tuple[Any, Any]:
    """The model of a folder, by the name of its class in transformers, and its image processor.

    Raises `BrokenRanker` for a folder that holds no such model: `what` it should hold, and what is `wanted`
    in place of another `model_type`, in words.
    """
    import transformers

    if not folder.is_dir() or not (folder / "config.json").is_file():
        raise BrokenRanker(
            f"{folder} is no folder of transformers (config.json and weights); give checkpoint=FOLDER"
        )
    try:
        config = transformers.AutoConfig.from_pretrained(folder)
        images: Any = transformers.AutoImageProcessor
        processor = images.from_pretrained(folder, backend="pil")
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise BrokenRanker(f"{folder} holds no {what} of transformers ({reason})") from None
    if config.model_type != model_type:
        raise BrokenRanker(f"{folder} holds a model of the type {config.model_type}, not {wanted}")
    return load_pretrained(getattr(transformers, name), config, read(folder), folder), processor
