"""What programs call the layers of a pipeline in a file of LoRA weights, brought to one name for each.

A name says a part of the pipeline, a layer, and which of its two matrices. kohya's scripts write underscores,
others dots; a U-Net's layers have diffusers' names or the original code's.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from torch import Tensor

PARTS = {  # of a pipeline, and what the names of their layers begin with
    "text_encoder_2": ("lora_te2_", "text_encoder_2_"),
    "text_encoder": ("lora_te1_", "lora_te_", "text_encoder_"),
    "unet": ("lora_unet_", "unet_", "model_diffusion_model_", "diffusion_model_", ""),
}
PEFT = "base_model.model."  # before names that peft itself writes
# what ends the name of a matrix: kohya's, peft's, and diffusers' of all years
MATRIX = re.compile(r"[._]lora(?:_linear_layer)?[._](A|B|down|up)(?:\.(?!weight)\w+)?\.weight$")
BLOCK = re.compile(r"(down|mid|up)_blocks?\.(?:(\d+)\.)?(\w+)\.(\d+)\.(.+)")
INNER = {  # layers of a residual block, and their original names
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
OUTER = {  # layers outside all blocks
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


class Layer(NamedTuple):
    """A layer that a LoRA may change: its part of the pipeline, its name there, its weight."""

    part: str
    name: str
    weight: Tensor


def layers(pipe: Any) -> dict[str, Layer]:
    """Every layer of a Stable Diffusion XL pipeline by each of its names, as `of_layer` gives them."""
    found: dict[str, Layer] = {}
    for part in PARTS:
        network = getattr(pipe, part)
        for name, weight in network.named_parameters():
            if not name.endswith(".weight") or weight.ndim not in (2, 4):
                continue
            layer = Layer(part, name.removesuffix(".weight"), weight)
            names = {layer.name}
            if part == "unet":
                names.add(original(layer.name, network.config.layers_per_block))
            found |= {of_layer(f"{part}.{each}"): layer for each in names}
    return found


def of_layer(name: str) -> str:
    """The layer of which a name of a matrix or an alpha speaks: ``unet/mid_block_attentions_0_proj_in``."""
    stem = MATRIX.sub("", name).removesuffix(".alpha").replace(PEFT, "")
    plain = stem.replace(".", "_").replace("_processor_", "_")
    plain += "_0" if plain.endswith("_to_out") else ""
    part, start = next(
        (part, start) for part, starts in PARTS.items() for start in starts if plain.startswith(start)
    )
    rest = plain.removeprefix(start)
    return f"{part}/{rest if part == 'unet' else rest.removeprefix('text_model_')}"


def original(name: str, layers_per_block: int) -> str:
    """The name of a U-Net's layer in the original code, whose blocks stand in one row."""
    block = BLOCK.fullmatch(name)
    if block is None:
        return OUTER.get(name, name)
    side, number, kind, place, inner = block.groups()
    inner, at = INNER.get(inner, inner) if kind == "resnets" else inner, int(place)
    if side == "mid":
        return f"middle_block.{2 * at if kind == 'resnets' else 1}.{inner}"
    first = int(number) * (layers_per_block + 1)
    if kind == "downsamplers":
        return f"input_blocks.{first + layers_per_block + 1}.0.op"
    if kind == "upsamplers":
        return f"output_blocks.{first + layers_per_block}.2.{inner}"
    start, at = ("input", first + at + 1) if side == "down" else ("output", first + at)
    return f"{start}_blocks.{at}.{int(kind == 'attentions')}.{inner}"


def shape(weight: Tensor) -> str:
    """The shape of a weight in words: ``320×16``."""
    return "×".join(map(str, weight.shape))
