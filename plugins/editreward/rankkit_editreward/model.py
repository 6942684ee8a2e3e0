"""EditReward's network out of transformers' Qwen2.5-VL, and the published checkpoint's keys made theirs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLModel

from rankkit.errors import BrokenRanker
from rankkit_torch import empty, full_float32, hidden_at_marks, load_strict, memory, read, reward_head

EMBEDDING = "model.language_model.embed_tokens.weight"
TORCH_FILE = "model.pth"  # where a checkpoint's weights may be beside what transformers calls them
HEADS = 2
BASE = "XiaomiMiMo/MiMo-VL-7B-SFT-2508"
FAMILY, QWEN3 = "qwen2_5_vl", "qwen3_vl"


class Network(nn.Module):
    """Qwen2.5-VL and a head for each question, on the hidden state at the mark of the answer, in float32."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.model: Any = Qwen2_5_VLModel(config)
        hidden = config.text_config.hidden_size
        self.rm_heads = nn.ModuleDict({f"head_{place}": reward_head(hidden) for place in range(HEADS)})
        self.vocabulary = int(config.text_config.vocab_size)

    @torch.inference_mode()
    @full_float32()
    def answer(self, batch: Mapping[str, torch.Tensor], head: int, device: torch.device) -> torch.Tensor:
        """Mean and logarithm of the standard deviation for each question of a batch, (B, 2) in float64."""
        at_BH = hidden_at_marks(self.model, batch, device)
        both_B2: torch.Tensor = self.rm_heads[f"head_{head}"](at_BH).double()
        return both_B2


def load(folder: Path, base: Path, device: torch.device, dtype: torch.dtype) -> Network:
    """The network with the weights of a published folder or file and the configuration of its base."""
    if not (base / "config.json").is_file():
        raise BrokenRanker(
            f"{base} holds no config.json; give base=FOLDER with the base's configuration and tokenizer"
        )
    _check_base(base)
    config: Any = Qwen2_5_VLConfig.from_pretrained(base)
    place = folder / TORCH_FILE if (folder / TORCH_FILE).is_file() else folder
    state = {renamed(key): value for key, value in read(place).items() if not key.startswith("lm_head.")}
    if EMBEDDING not in state:
        raise BrokenRanker(
            f"{place} does not fit EditReward: it has no embed_tokens. Is it the checkpoint of another model?"
        )
    config.text_config.vocab_size = state[EMBEDDING].shape[0]
    with empty():
        network = Network(config)
    load_strict(network, state, place)
    with memory(device, f"the weights of {place}"):
        network.model.to(device, dtype)
        return network.to(device)


def renamed(key: str) -> str:
    """A published key as the network names it: of transformers 4.57, or of one before 4.52."""
    if key.startswith("visual."):
        return f"model.{key}"
    if key.startswith("model.") and not key.startswith(("model.visual.", "model.language_model.")):
        return f"model.language_model.{key.removeprefix('model.')}"
    return key


def _check_base(base: Path) -> None:
    """Raise `BrokenRanker` where a base is of another family than the published checkpoints'."""
    try:
        kind = json.loads((base / "config.json").read_text("utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BrokenRanker(f"{base / 'config.json'} is no configuration of a model: {error}") from None
    if kind != FAMILY:
        new = (
            "; its authors' code trains such ones too, and they have published none" if kind == QWEN3 else ""
        )
        raise BrokenRanker(
            f"{base} is a {kind}, and EditReward is read on {FAMILY}{new}: give "
            f"base=Qwen/Qwen2.5-VL-7B-Instruct or {BASE}, whichever the checkpoint was trained from"
        )
