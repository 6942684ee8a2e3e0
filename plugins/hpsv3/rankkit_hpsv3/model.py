"""HPSv3's network out of transformers' Qwen2-VL, and the published checkpoint's keys made theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import Qwen2VLConfig, Qwen2VLModel

from rankkit.errors import BrokenRanker
from rankkit_torch import empty, full_float32, hidden_at_marks, load_strict, memory, read, reward_head

EMBEDDING = "model.language_model.embed_tokens.weight"


class Network(nn.Module):
    """Qwen2-VL and a head on the hidden state at the mark of the answer; the head is always in float32."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.model: Any = Qwen2VLModel(config)
        hidden = config.text_config.hidden_size
        self.rm_head = reward_head(hidden)
        self.vocabulary = int(config.text_config.vocab_size)

    @torch.inference_mode()
    @full_float32()
    def answer(self, batch: Mapping[str, torch.Tensor], device: torch.device) -> torch.Tensor:
        """Mean and logarithm of the standard deviation for each question of a batch, (B, 2) in float64."""
        both_B2: torch.Tensor = self.rm_head(hidden_at_marks(self.model, batch, device)).double()
        return both_B2


def load(path: Path, base: Path, device: torch.device, dtype: torch.dtype) -> Network:
    """The network with the weights of a published file and the configuration of a Qwen2-VL folder."""
    if not (base / "config.json").is_file():
        raise BrokenRanker(
            f"{base} holds no config.json; give base=FOLDER with Qwen2-VL's configuration and tokenizer"
        )
    config: Any = Qwen2VLConfig.from_pretrained(base)
    state = {renamed(key): value for key, value in read(path).items() if not key.startswith("lm_head.")}
    if EMBEDDING not in state:
        raise BrokenRanker(
            f"{path} does not fit HPSv3: it has no model.embed_tokens. Is it the checkpoint of another model?"
        )
    config.text_config.vocab_size = state[EMBEDDING].shape[0]
    with empty():
        network = Network(config)
    load_strict(network, state, path)
    with memory(device, f"the weights of {path}"):
        network.model.to(device, dtype)
        return network.to(device)


def renamed(key: str) -> str:
    """A published key as the network names it."""
    if key.startswith("model."):
        return f"model.language_model.{key.removeprefix('model.')}"
    return f"model.{key}" if key.startswith("visual.") else key
