"""Models that transformers loads: strict about keys, and with the image processor that comes with them.

At the end what reward models on a Qwen-VL share, which answer at a mark behind the question.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from rankkit.errors import BrokenRanker
from rankkit.plugin import reason_of
from rankkit_torch.checkpoints import read
from rankkit_torch.models import refuse, sent

REWARD, PLACEHOLDER = "<|Reward|>", "<|image_pad|>"  # the mark, and what stands for a part of an image


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


class RewardTokens:
    """The tokenizer of a Qwen-VL folder with the mark at which a reward model answers.

    Raises `BrokenRanker` for a folder without one, and where it has more tokens than the checkpoint's
    `vocabulary`.
    """

    def __init__(self, folder: Path, vocabulary: int) -> None:
        from transformers import AutoTokenizer

        auto: Any = AutoTokenizer
        try:
            self.tokenizer = auto.from_pretrained(folder)
        except Exception as error:
            reason = reason_of(error)
            raise BrokenRanker(f"{folder} holds no tokenizer ({reason}); give base=FOLDER") from None
        self.tokenizer.add_tokens([REWARD], special_tokens=True)
        self.reward, self.placeholder = (
            int(self.tokenizer.convert_tokens_to_ids(mark)) for mark in (REWARD, PLACEHOLDER)
        )
        if self.reward >= vocabulary:
            raise BrokenRanker(
                f"{folder} has {self.reward + 1} tokens and the checkpoint {vocabulary}: "
                "they do not belong together"
            )

    def padded(self, questions: Sequence[Sequence[int]]) -> dict[str, torch.Tensor]:
        """Ids and mask (B, L), padded on the right, and the places of the marks (B,)."""
        pad, longest = self.tokenizer.pad_token_id or 0, max(map(len, questions))
        pairs = [(list(ids), longest - len(ids)) for ids in questions]
        return {
            "ids": torch.tensor([ids + [pad] * short for ids, short in pairs]),
            "mask": torch.tensor([[1] * len(ids) + [0] * short for ids, short in pairs]),
            "places": torch.tensor([ids.index(self.reward) for ids, _ in pairs]),
        }


def hidden_at_marks(model: Any, batch: Mapping[str, torch.Tensor], device: torch.device) -> torch.Tensor:
    """The hidden state of a Qwen-VL at the mark of each question, (B, H) in float32.

    `batch`: what `RewardTokens.padded` gives, with the `patches` of all images and their `grids`. Positions
    simply count, on all three axes of the rotary embedding, because the published code gives the language
    model no token ids: so the weights were trained. The model's own default places an image's tokens on a
    grid, and gives other scores.
    """
    given = {name: sent(tensor, device) for name, tensor in batch.items()}
    count, length = given["ids"].shape
    hidden_BLH = model(
        input_ids=given["ids"],
        attention_mask=given["mask"],
        position_ids=torch.arange(length, device=device).expand(3, count, length),
        pixel_values=given["patches"],
        image_grid_thw=given["grids"],
        use_cache=False,
    ).last_hidden_state
    at_BH: torch.Tensor = hidden_BLH[torch.arange(count, device=device), given["places"]]
    return at_BH.float()


def reward_head(hidden: int) -> nn.Sequential:
    """From a hidden state to the mean of a preference and the logarithm of its standard deviation."""
    return nn.Sequential(
        nn.Linear(hidden, 1024),
        nn.ReLU(),
        nn.Dropout(0.05),
        nn.Linear(1024, 16),
        nn.ReLU(),
        nn.Linear(16, 2),
    )
