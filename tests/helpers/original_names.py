"""The original names of the weights of the tiny SDXL U-Net, as all-in-one checkpoints and ComfyUI have them.

Written from the layout of Stability's code: blocks in one row, a residual layer first in each, attention
second, and what changes the size last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

EACH = 2  # blocks in a row for one of diffusers' tiny down or up blocks: one layer and one change of size
LAYERS = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
OUTER = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
BLOCK = re.compile(r"(down|mid|up)_blocks?\.(?:(\d)\.)?(\w+)\.(\d)\.(.*)\.(weight|bias)")


def original(weights: Mapping[str, Tensor], start: str = "model.diffusion_model.") -> dict[str, Tensor]:
    """The weights under their original names, with `start` before each."""
    return {start + _original(name): weight.contiguous() for name, weight in weights.items()}


def _original(name: str) -> str:
    block = BLOCK.fullmatch(name)
    if block is None:
        outer, end = name.rsplit(".", 1)
        return f"{OUTER[outer]}.{end}"
    where, number, kind, place, layer, end = block.groups()
    layer = LAYERS[layer] if kind == "resnets" else layer
    at, inner = int(place), int(kind == "attentions")
    if where == "mid":
        return f"middle_block.{1 if inner else 2 * at}.{layer}.{end}"
    first = EACH * int(number) + (where == "down")
    if kind == "downsamplers":
        return f"input_blocks.{first + 1}.0.op.{end}"
    if kind == "upsamplers":
        return f"output_blocks.{first + 1}.2.conv.{end}"
    return f"{'input' if where == 'down' else 'output'}_blocks.{first + at}.{inner}.{layer}.{end}"
