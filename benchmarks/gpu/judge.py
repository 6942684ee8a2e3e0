"""A ranker of HPSv3's size that a reward gradient can pass through: Qwen2-VL-7B with drawn weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from benchmarks.flops.networks import TEXT_TOKENS, qwen_config
from rankkit import Group, Ranking

TINY: dict[str, dict[str, Any]] = {
    "text": {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
        "intermediate_size": 64, "vocab_size": 64,
    },
    "vision": {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 2, "mlp_ratio": 2},
}  # fmt: skip
BATCH = 12  # images that are ranked, or carry a gradient, together


class Judge(nn.Module):
    """One number per image, from the last of its tokens and `TEXT_TOKENS` of drawn text; the weights are
    drawn on the device, in the dtype.
    """

    def __init__(self, tiny: bool, device: str) -> None:
        from transformers import Qwen2VLModel

        super().__init__()
        config = qwen_config(**TINY) if tiny else qwen_config()
        if tiny:
            config.text_config.rope_parameters["mrope_section"] = [2, 3, 3]
        self.side = 56 if tiny else 448  # 256 tokens of two by two patches
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32 if tiny else torch.bfloat16)
        try:
            with torch.device(device):
                self.model: Any = Qwen2VLModel(config)
                hidden = config.text_config.hidden_size
                self.text = nn.Parameter(torch.randn(1, 8 if tiny else TEXT_TOKENS, hidden))
                self.head = nn.Linear(hidden, 1)
        finally:
            torch.set_default_dtype(before)
        self.requires_grad_(False)
        self.model.activation_checkpointing_enable()  # in a gradient's way activations are made anew

    def forward(self, pixels: Tensor) -> Tensor:
        """(N,) from (N,3,H,W) in [-1, 1]."""
        self.train(pixels.requires_grad)  # checkpointing is for training alone; there is no dropout
        images = interpolate(pixels.float(), (self.side, self.side), mode="bicubic", antialias=True)
        count, places = len(images), self.side // 14
        patches = images.unfold(2, 14, 14).unfold(3, 14, 14).permute(0, 2, 3, 1, 4, 5).unsqueeze(4)
        patches = patches.expand(-1, -1, -1, -1, 2, -1, -1).reshape(count * places**2, -1)
        grid = torch.tensor([[1, places, places]] * count, device=pixels.device)
        seen = self.model.visual(patches.to(self.text.dtype), grid_thw=grid)
        seen = getattr(seen, "pooler_output", seen).reshape(count, -1, self.text.shape[-1])
        tokens = torch.cat([seen, self.text.expand(count, -1, -1)], 1)
        positions = torch.arange(tokens.shape[1], device=pixels.device).expand(3, count, -1)
        last = self.model.language_model(inputs_embeds=tokens, position_ids=positions, use_cache=False)[0][
            :, -1
        ]
        scores: Tensor = self.head(last)[:, 0].float()
        return scores

    def rank(self, groups: Sequence[Group]) -> list[Ranking]:
        """The order of 8-bit images, in batches of `BATCH`."""
        images = [image for group in groups for image in group.images]
        scores: list[float] = []
        for start in range(0, len(images), BATCH):
            levels = np.stack([np.asarray(image) for image in images[start : start + BATCH]])
            pixels = torch.from_numpy(levels).to(self.text.device).permute(0, 3, 1, 2) / 127.5 - 1
            with torch.no_grad():
                scores += self(pixels).tolist()
        found = iter(scores)
        return [Ranking(tuple(next(found) for _ in group.images)) for group in groups]
