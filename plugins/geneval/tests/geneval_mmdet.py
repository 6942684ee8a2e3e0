"""mmdet's side of the conversion: its checkpoint's names and shapes, and the way back to them."""

import re

import torch
from transformers import Mask2FormerConfig, SwinConfig

from rankkit_geneval.detector.weights import IMPLIED

SWIN = "model.pixel_level_module.encoder."
PIXEL = "model.pixel_level_module.decoder."
TRANSFORMER = "model.transformer_module."


def tiny_config(**more):
    """A Mask2Former of 80 labels, small enough for tests, with every kind of layer of the official one."""
    swin = SwinConfig(
        embed_dim=12,
        depths=[2, 1, 2, 1],
        num_heads=[1, 2, 2, 4],
        window_size=3,
        drop_path_rate=0.0,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )
    sizes = {"feature_size": 32, "mask_feature_size": 32, "hidden_dim": 32, "num_attention_heads": 4}
    layers = {"encoder_layers": 2, "decoder_layers": 4, "encoder_feedforward_dim": 16, "dim_feedforward": 24}
    return Mask2FormerConfig(backbone_config=swin, num_labels=80, num_queries=9, **sizes, **layers, **more)


def shapes(config):
    """Every tensor of mmdet's checkpoint with its shape.

    Those of mmdet 2.28's SwinTransformer, MSDeformAttnPixelDecoder and Mask2FormerHead.
    """
    swin, d = config.backbone_config, config.hidden_dim
    found = {
        "backbone.patch_embed.projection.weight": (swin.embed_dim, 3, 4, 4),
        "backbone.patch_embed.projection.bias": (swin.embed_dim,),
    }

    def affine(name, out, *inputs, bias=True):
        found[f"{name}.weight"] = (out, *inputs)
        if bias:
            found[f"{name}.bias"] = (out,)

    affine("backbone.patch_embed.norm", swin.embed_dim)
    for s, (depth, heads) in enumerate(zip(swin.depths, swin.num_heads, strict=True)):
        c = swin.embed_dim * 2**s
        for b in range(depth):
            block = f"backbone.stages.{s}.blocks.{b}"
            affine(f"{block}.norm1", c)
            found[f"{block}.attn.w_msa.relative_position_bias_table"] = (
                (2 * swin.window_size - 1) ** 2,
                heads,
            )
            found[f"{block}.attn.w_msa.relative_position_index"] = (swin.window_size**2, swin.window_size**2)
            affine(f"{block}.attn.w_msa.qkv", 3 * c, c)
            affine(f"{block}.attn.w_msa.proj", c, c)
            affine(f"{block}.norm2", c)
            affine(f"{block}.ffn.layers.0.0", 4 * c, c)
            affine(f"{block}.ffn.layers.1", c, 4 * c)
        if s < 3:
            affine(f"backbone.stages.{s}.downsample.norm", 4 * c)
            affine(f"backbone.stages.{s}.downsample.reduction", 2 * c, 4 * c, bias=False)
        affine(f"backbone.norm{s}", c)
    pixel = "panoptic_head.pixel_decoder"
    for i in range(3):
        affine(f"{pixel}.input_convs.{i}.conv", d, swin.embed_dim * 2 ** (3 - i), 1, 1)
        affine(f"{pixel}.input_convs.{i}.gn", d)
    points = config.num_attention_heads * 3 * 4  # heads, levels, points
    for i in range(config.encoder_layers):
        layer = f"{pixel}.encoder.layers.{i}"
        affine(f"{layer}.attentions.0.sampling_offsets", 2 * points, d)
        affine(f"{layer}.attentions.0.attention_weights", points, d)
        affine(f"{layer}.attentions.0.value_proj", d, d)
        affine(f"{layer}.attentions.0.output_proj", d, d)
        affine(f"{layer}.ffns.0.layers.0.0", config.encoder_feedforward_dim, d)
        affine(f"{layer}.ffns.0.layers.1", d, config.encoder_feedforward_dim)
        affine(f"{layer}.norms.0", d)
        affine(f"{layer}.norms.1", d)
    found[f"{pixel}.level_encoding.weight"] = (3, d)
    affine(f"{pixel}.lateral_convs.0.conv", d, swin.embed_dim, 1, 1, bias=False)
    affine(f"{pixel}.lateral_convs.0.gn", d)
    affine(f"{pixel}.output_convs.0.conv", d, d, 3, 3, bias=False)
    affine(f"{pixel}.output_convs.0.gn", d)
    affine(f"{pixel}.mask_feature", config.mask_feature_size, d, 1, 1)
    decoder = "panoptic_head.transformer_decoder"
    for i in range(config.decoder_layers - 1):
        layer = f"{decoder}.layers.{i}"
        for a in range(2):
            found[f"{layer}.attentions.{a}.attn.in_proj_weight"] = (3 * d, d)
            found[f"{layer}.attentions.{a}.attn.in_proj_bias"] = (3 * d,)
            affine(f"{layer}.attentions.{a}.attn.out_proj", d, d)
        affine(f"{layer}.ffns.0.layers.0.0", config.dim_feedforward, d)
        affine(f"{layer}.ffns.0.layers.1", d, config.dim_feedforward)
        for n in range(3):
            affine(f"{layer}.norms.{n}", d)
    affine(f"{decoder}.post_norm", d)
    for name in ("query_embed", "query_feat"):
        found[f"panoptic_head.{name}.weight"] = (config.num_queries, d)
    found["panoptic_head.level_embed.weight"] = (3, d)
    affine("panoptic_head.cls_embed", config.num_labels + 1, d)
    for i, out in ((0, d), (2, d), (4, config.mask_feature_size)):
        affine(f"panoptic_head.mask_embed.{i}", out, d)
    return found


def random_state(config, seed=0):
    """mmdet's checkpoint of this architecture with random weights."""
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes(config).items()}


BACK = (  # hub name -> mmdet name, written from the hub's side
    (SWIN + r"embeddings\.patch_embeddings\.", "backbone.patch_embed."),
    (SWIN + r"embeddings\.norm", "backbone.patch_embed.norm"),
    (SWIN + r"encoder\.layers\.", "backbone.stages."),
    (r"\.attention\.output\.dense", ".attn.w_msa.proj"),
    (r"\.attention\.self\.", ".attn.w_msa."),
    (r"\.intermediate\.dense", ".ffn.layers.0.0"),
    (r"(blocks\.\d+)\.output\.dense", r"\1.ffn.layers.1"),
    (r"layernorm_before", "norm1"),
    (r"layernorm_after", "norm2"),
    (PIXEL + r"input_projections\.(\d)\.0", r"panoptic_head.pixel_decoder.input_convs.\1.conv"),
    (PIXEL + r"input_projections\.(\d)\.1", r"panoptic_head.pixel_decoder.input_convs.\1.gn"),
    (PIXEL + r"(encoder\.layers\.\d+)\.self_attn\.", r"panoptic_head.pixel_decoder.\1.attentions.0."),
    (PIXEL + r"(encoder\.layers\.\d+)\.self_attn_layer_norm", r"panoptic_head.pixel_decoder.\1.norms.0"),
    (PIXEL + r"(encoder\.layers\.\d+)\.final_layer_norm", r"panoptic_head.pixel_decoder.\1.norms.1"),
    (PIXEL + "level_embed", "panoptic_head.pixel_decoder.level_encoding.weight"),
    (PIXEL + r"adapter_1\.0", "panoptic_head.pixel_decoder.lateral_convs.0.conv"),
    (PIXEL + r"adapter_1\.1", "panoptic_head.pixel_decoder.lateral_convs.0.gn"),
    (PIXEL + r"layer_1\.0", "panoptic_head.pixel_decoder.output_convs.0.conv"),
    (PIXEL + r"layer_1\.1", "panoptic_head.pixel_decoder.output_convs.0.gn"),
    (PIXEL + "mask_projection", "panoptic_head.pixel_decoder.mask_feature"),
    (PIXEL, "panoptic_head.pixel_decoder."),
    (TRANSFORMER + r"decoder\.mask_predictor\.mask_embedder\.0\.0", "panoptic_head.mask_embed.0"),
    (TRANSFORMER + r"decoder\.mask_predictor\.mask_embedder\.1\.0", "panoptic_head.mask_embed.2"),
    (TRANSFORMER + r"decoder\.mask_predictor\.mask_embedder\.2\.0", "panoptic_head.mask_embed.4"),
    (TRANSFORMER + r"decoder\.layernorm", "panoptic_head.transformer_decoder.post_norm"),
    (TRANSFORMER + r"decoder\.", "panoptic_head.transformer_decoder."),
    (r"\.cross_attn\.", ".attentions.0.attn."),
    (r"\.self_attn\.", ".attentions.1.attn."),
    (r"cross_attn_layer_norm", "norms.0"),
    (r"self_attn_layer_norm", "norms.1"),
    (r"final_layer_norm", "norms.2"),
    (r"\.fc1\.", ".ffns.0.layers.0.0."),
    (r"\.fc2\.", ".ffns.0.layers.1."),
    (TRANSFORMER + "queries_embedder", "panoptic_head.query_embed"),
    (TRANSFORMER + "queries_features", "panoptic_head.query_feat"),
    (TRANSFORMER + "level_embed", "panoptic_head.level_embed"),
    ("class_predictor", "panoptic_head.cls_embed"),
)


def inverse(hub):
    """The checkpoint that converts to a state dict in hub names; what mmdet does not keep is left out."""
    found = {}
    for name, value in hub.items():
        if name == "criterion.empty_weight" or IMPLIED.search(name):
            continue
        for s in range(4):
            name = name.replace(f"{SWIN}hidden_states_norms.stage{s + 1}", f"backbone.norm{s}")
        for pattern, replacement in BACK:
            name = re.sub(pattern, replacement, name)
        # pixels column by column before channels -> channels before pixels row by row
        if "downsample" in name:
            value = (
                value.reshape(*value.shape[:-1], 2, 2, -1)
                .transpose(-3, -2)
                .flatten(-3, -2)
                .transpose(-1, -2)
                .flatten(-2)
            )
        found[name] = value
    return _fused(found)


def _fused(state):
    """Put query, key and value back into one tensor, where mmdet has one."""
    for name in list(state):
        for one, parts, fused in (
            (".w_msa.query.", ("query", "key", "value"), "qkv."),
            (".attn.q_proj.", ("q_proj", "k_proj", "v_proj"), "in_proj_"),
        ):
            if one in name:
                names = [name.replace(parts[0], part) for part in parts]
                state[name.replace(parts[0] + ".", fused)] = torch.cat([state.pop(part) for part in names])
    return state
