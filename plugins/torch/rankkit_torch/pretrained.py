"""Models that transformers loads: strict about keys, and with the image processor that comes with them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from rankkit.errors import BrokenRanker
from rankkit.plugin import reason_of
from rankkit_torch.checkpoints import read
from rankkit_torch.models import refuse


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
        reason = reason_of(error)
        raise BrokenRanker(f"{folder} holds no {what} of transformers ({reason})") from None
    if config.model_type != model_type:
        raise BrokenRanker(f"{folder} holds a model of the type {config.model_type}, not {wanted}")
    return load_pretrained(getattr(transformers, name), config, read(folder), folder), processor


def load_pretrained(kind: Any, config: Any, state: Mapping[str, torch.Tensor], source: object) -> Any:
    """A model of transformers with a checkpoint in it, float32, in evaluation mode and without gradients.

    transformers itself translates the keys of files that were written before it renamed its modules. Raises
    `BrokenRanker` as `load_strict` does.
    """
    with quiet():
        model, found = kind.from_pretrained(
            None,
            config=config,
            state_dict=dict(state),
            dtype=torch.float32,
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    check_loaded(model, found, source, unexpected=True)
    return model.eval().requires_grad_(False)


def check_loaded(model: Any, found: Mapping[str, Any], source: object, *, unexpected: bool = False) -> None:
    """Raise `BrokenRanker` where transformers did not find all weights of a model, or of another shape.

    It draws such weights at random, and only warns. `found` is what its ``from_pretrained`` gives with
    ``output_loading_info=True`` and ``ignore_mismatched_sizes=True``; `unexpected` keys are refused too.
    """
    shaped = [f"{key} {tuple(given)} for {tuple(own)}" for key, given, own in found["mismatched_keys"]]
    more = sorted(found["unexpected_keys"]) if unexpected else []
    refuse(source, model, sorted(found["missing_keys"]), more, sorted(shaped))


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Within it, transformers draws no bar and prints no table of keys: what is wrong is said by an error."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
