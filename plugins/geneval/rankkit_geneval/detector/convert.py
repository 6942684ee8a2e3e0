"""The official detector's weights under transformers' names.

mmdet's Swin-S Mask2Former is rewritten once, to safetensors.

The layout of names is that of the model hub, which every transformers 5 renames on loading; so load the
result with `from_pretrained`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch

from rankkit.errors import RankkitError

_SWIN = "model.pixel_level_module.encoder."
_PIXEL = "model.pixel_level_module.decoder."
_DECODER = "model.transformer_module.decoder."
NO_OBJECT_WEIGHT = 0.1  # only the loss uses it; transformers keeps it among the weights

RULES: tuple[
    tuple[str, str], ...
] = (  # mmdet 2.x name -> hub name, first match wins; what matches none is refused
    (r"backbone\.patch_embed\.projection\.", _SWIN + "embeddings.patch_embeddings.projection."),
    (r"backbone\.patch_embed\.norm\.", _SWIN + "embeddings.norm."),
    (r"backbone\.norm0\.", _SWIN + "hidden_states_norms.stage1."),
    (r"backbone\.norm1\.", _SWIN + "hidden_states_norms.stage2."),
    (r"backbone\.norm2\.", _SWIN + "hidden_states_norms.stage3."),
    (r"backbone\.norm3\.", _SWIN + "hidden_states_norms.stage4."),
    (r"backbone\.stages\.(\d+)\.downsample\.", _SWIN + r"encoder.layers.\1.downsample."),
    (
        r"backbone\.stages\.(\d+)\.blocks\.(\d+)\.norm1\.",
        _SWIN + r"encoder.layers.\1.blocks.\2.layernorm_before.",
    ),
    (
        r"backbone\.stages\.(\d+)\.blocks\.(\d+)\.norm2\.",
        _SWIN + r"encoder.layers.\1.blocks.\2.layernorm_after.",
    ),
    (
        r"backbone\.stages\.(\d+)\.blocks\.(\d+)\.attn\.w_msa\.proj\.",
        _SWIN + r"encoder.layers.\1.blocks.\2.attention.output.dense.",
    ),
    (
        r"backbone\.stages\.(\d+)\.blocks\.(\d+)\.attn\.w_msa\.",
        _SWIN + r"encoder.layers.\1.blocks.\2.attention.self.",
    ),
    (
        r"backbone\.stages\.(\d+)\.blocks\.(\d+)\.ffn\.layers\.0\.0\.",
        _SWIN + r"encoder.layers.\1.blocks.\2.intermediate.dense.",
    ),
    (
        r"backbone\.stages\.(\d+)\.blocks\.(\d+)\.ffn\.layers\.1\.",
        _SWIN + r"encoder.layers.\1.blocks.\2.output.dense.",
    ),
    (r"panoptic_head\.pixel_decoder\.input_convs\.(\d+)\.conv\.", _PIXEL + r"input_projections.\1.0."),
    (r"panoptic_head\.pixel_decoder\.input_convs\.(\d+)\.gn\.", _PIXEL + r"input_projections.\1.1."),
    (
        r"panoptic_head\.pixel_decoder\.encoder\.layers\.(\d+)\.attentions\.0\.",
        _PIXEL + r"encoder.layers.\1.self_attn.",
    ),
    (
        r"panoptic_head\.pixel_decoder\.encoder\.layers\.(\d+)\.ffns\.0\.layers\.0\.0\.",
        _PIXEL + r"encoder.layers.\1.fc1.",
    ),
    (
        r"panoptic_head\.pixel_decoder\.encoder\.layers\.(\d+)\.ffns\.0\.layers\.1\.",
        _PIXEL + r"encoder.layers.\1.fc2.",
    ),
    (
        r"panoptic_head\.pixel_decoder\.encoder\.layers\.(\d+)\.norms\.0\.",
        _PIXEL + r"encoder.layers.\1.self_attn_layer_norm.",
    ),
    (
        r"panoptic_head\.pixel_decoder\.encoder\.layers\.(\d+)\.norms\.1\.",
        _PIXEL + r"encoder.layers.\1.final_layer_norm.",
    ),
    (r"panoptic_head\.pixel_decoder\.level_encoding\.weight$", _PIXEL + "level_embed"),
    (r"panoptic_head\.pixel_decoder\.lateral_convs\.0\.conv\.", _PIXEL + "adapter_1.0."),
    (r"panoptic_head\.pixel_decoder\.lateral_convs\.0\.gn\.", _PIXEL + "adapter_1.1."),
    (r"panoptic_head\.pixel_decoder\.output_convs\.0\.conv\.", _PIXEL + "layer_1.0."),
    (r"panoptic_head\.pixel_decoder\.output_convs\.0\.gn\.", _PIXEL + "layer_1.1."),
    (r"panoptic_head\.pixel_decoder\.mask_feature\.", _PIXEL + "mask_projection."),
    (
        r"panoptic_head\.transformer_decoder\.layers\.(\d+)\.attentions\.0\.attn\.",
        _DECODER + r"layers.\1.cross_attn.",
    ),
    (
        r"panoptic_head\.transformer_decoder\.layers\.(\d+)\.attentions\.1\.attn\.",
        _DECODER + r"layers.\1.self_attn.",
    ),
    (
        r"panoptic_head\.transformer_decoder\.layers\.(\d+)\.norms\.0\.",
        _DECODER + r"layers.\1.cross_attn_layer_norm.",
    ),
    (
        r"panoptic_head\.transformer_decoder\.layers\.(\d+)\.norms\.1\.",
        _DECODER + r"layers.\1.self_attn_layer_norm.",
    ),
    (
        r"panoptic_head\.transformer_decoder\.layers\.(\d+)\.norms\.2\.",
        _DECODER + r"layers.\1.final_layer_norm.",
    ),
    (
        r"panoptic_head\.transformer_decoder\.layers\.(\d+)\.ffns\.0\.layers\.0\.0\.",
        _DECODER + r"layers.\1.fc1.",
    ),
    (
        r"panoptic_head\.transformer_decoder\.layers\.(\d+)\.ffns\.0\.layers\.1\.",
        _DECODER + r"layers.\1.fc2.",
    ),
    (r"panoptic_head\.transformer_decoder\.post_norm\.", _DECODER + "layernorm."),
    (r"panoptic_head\.mask_embed\.0\.", _DECODER + "mask_predictor.mask_embedder.0.0."),
    (r"panoptic_head\.mask_embed\.2\.", _DECODER + "mask_predictor.mask_embedder.1.0."),
    (r"panoptic_head\.mask_embed\.4\.", _DECODER + "mask_predictor.mask_embedder.2.0."),
    (r"panoptic_head\.query_embed\.", "model.transformer_module.queries_embedder."),
    (r"panoptic_head\.query_feat\.", "model.transformer_module.queries_features."),
    (r"panoptic_head\.level_embed\.", "model.transformer_module.level_embed."),
    (r"panoptic_head\.cls_embed\.", "class_predictor."),
)
# buffers, not weights
RECOMPUTED = re.compile(r"backbone\..*\.relative_position_index$|panoptic_head\.loss_cls\.class_weight$")


def convert(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A state dict in mmdet 2.x's names as one in transformers' hub names: all of the model, nothing else.

    Fused query-key-value tensors are split where transformers keeps them apart, and patch merging is put into
    its order of pixels. Raises `RankkitError` naming the first tensors that no rule knows: a checkpoint of
    another model, or of mmdet 3.
    """
    unknown = [name for name in state if not RECOMPUTED.match(name) and renamed(name) is None]
    if unknown or "panoptic_head.cls_embed.weight" not in state:
        problem = (
            f"{len(unknown)} tensors have other names ({', '.join(unknown[:3])} …)"
            if unknown
            else "it has no class head"
        )
        raise RankkitError(
            f"this is not an mmdet 2 checkpoint of Mask2Former with Swin: {problem}; "
            "GenEval's own is the Swin-S of its zoo"
        )
    converted = {
        name: tensor
        for old, value in state.items()
        if not RECOMPUTED.match(old)
        for name, tensor in _tensors(old, value)
    }
    weight = torch.ones(len(state["panoptic_head.cls_embed.weight"]))
    weight[-1] = NO_OBJECT_WEIGHT
    return {**converted, "criterion.empty_weight": weight}


def renamed(name: str) -> str | None:
    """The hub name of one mmdet tensor, or None if there is no such tensor.

    Of a fused tensor, which becomes several, that of the fused one.
    """
    for pattern, replacement in RULES:
        if re.match(pattern, name):
            return re.sub(pattern, replacement, name, count=1)
    return None


def unpermuted(merging: torch.Tensor) -> torch.Tensor:
    """Patch merging from mmdet's order of the four merged pixels to transformers'.

    The last axis has 4 C entries.

    mmdet's (nn.Unfold) runs over channels, then over pixels row by row; transformers' over pixels column by
    column, then over channels.
    """
    apart = merging.reshape(*merging.shape[:-1], -1, 4).transpose(-1, -2)
    return apart[..., [0, 2, 1, 3], :].reshape(merging.shape)


def _tensors(old: str, value: torch.Tensor) -> Iterator[tuple[str, torch.Tensor]]:
    new = renamed(old)
    assert new is not None, old
    value = value.detach()
    kind = new.rpartition(".")[2]
    if ".self.qkv." in new:
        parts = zip(("query", "key", "value"), value.chunk(3), strict=True)
        yield from ((new.replace("qkv", part), piece.clone()) for part, piece in parts)
    elif ".self_attn.in_proj_" in new:
        stem, kind = new.split("in_proj_")
        parts = zip(("q_proj", "k_proj", "v_proj"), value.chunk(3), strict=True)
        yield from ((f"{stem}{part}.{kind}", piece.clone()) for part, piece in parts)
    else:
        yield new, (unpermuted(value) if ".downsample." in new else value).contiguous().clone()
