"""ImageReward's network out of transformers' BLIP parts, and the published checkpoint's keys made theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AutoTokenizer, BlipTextConfig, BlipTextModel, BlipVisionConfig, BlipVisionModel
from transformers.models.blip.modeling_blip import BlipAttention

from rankkit.errors import BrokenRanker
from rankkit.plugin import reason_of
from rankkit_torch import (
    LinearHead,
    Pixels,
    empty,
    full_float32,
    load_strict,
    memory,
    on_device,
    read,
    sent,
)

LIMIT = 35  # tokens of a prompt, with both marks
HEAD_DIM = 64  # of every attention head, in both towers
UNUSED = ("blip.vision_proj.", "blip.text_proj.")  # left from BLIP's pretraining; no score depends on them

RENAMED = (
    (r"^blip\.visual_encoder\.", "vision."),
    (r"^blip\.text_encoder\.", "text."),
    (r"^mlp\.", "head."),
    (r"^vision\.cls_token$", "vision.embeddings.class_embedding"),
    (r"^vision\.pos_embed$", "vision.embeddings.position_embedding"),
    (r"^vision\.patch_embed\.proj\.", "vision.embeddings.patch_embedding."),
    (r"^vision\.norm\.", "vision.post_layernorm."),
    (r"^vision\.blocks\.(\d+)\.norm", r"vision.encoder.layers.\1.layer_norm"),
    (r"^vision\.blocks\.(\d+)\.attn\.proj\.", r"vision.encoder.layers.\1.self_attn.projection."),
    (r"^vision\.blocks\.(\d+)\.attn\.", r"vision.encoder.layers.\1.self_attn."),
    (r"^vision\.blocks\.(\d+)\.", r"vision.encoder.layers.\1."),
)


class FusedAttention(BlipAttention):
    """BLIP's attention between the patches of an image, by PyTorch's own kernel: half the time on a CPU.

    transformers writes it out for BLIP, with every pair's weight in memory.
    """

    def forward(self, hidden_states: torch.Tensor, **_: object) -> tuple[torch.Tensor, Any]:
        """What the patches take in, (B, P, D), and no weights of pairs."""
        parts = self.qkv(hidden_states).unflatten(-1, (3, self.num_heads, -1))
        query, key, value = parts.permute(2, 0, 3, 1, 4)  # (B, heads, P, D of a head) each
        seen = scaled_dot_product_attention(query, key, value, scale=self.scale)
        return self.projection(seen.transpose(1, 2).flatten(2)), None


class Network(nn.Module):
    """An image tower, a text tower that attends to the image, and a linear head on its first token."""

    def __init__(self, vision: BlipVisionConfig, text: BlipTextConfig) -> None:
        super().__init__()
        self.vision: Any = BlipVisionModel(vision)
        for layer in self.vision.encoder.layers:
            layer.self_attn = FusedAttention(vision)  # type: ignore[no-untyped-call]
        self.text: Any = BlipTextModel(text, add_pooling_layer=False)
        self.head = LinearHead(text.hidden_size)
        size: Any = vision.image_size
        self.size = int(size)

    def forward(self, pixels_B3HW: torch.Tensor, ids_BL: torch.Tensor, mask_BL: torch.Tensor) -> torch.Tensor:
        """Raw scores, (B,) in float32."""
        patches_BPD = self.vision(pixel_values=pixels_B3HW).last_hidden_state
        seen_BP = torch.ones(patches_BPD.shape[:2], dtype=torch.long, device=patches_BPD.device)
        words = self.text(
            ids_BL,
            mask_BL,
            encoder_hidden_states=patches_BPD,
            encoder_attention_mask=seen_BP,
            is_decoder=False,
        )
        scores: torch.Tensor = self.head(words.last_hidden_state[:, 0].float())
        return scores


def load(path: Path, device: torch.device, dtype: torch.dtype) -> Network:
    """The network with the weights of a published file; the head stays in float32."""
    state = {renamed(key): value for key, value in read(path).items() if not key.startswith(UNUSED)}
    try:
        vision, text = configurations(state)
    except KeyError as error:
        raise BrokenRanker(
            f"{path} does not fit ImageReward: "
            f"it has no {error.args[0]}. Is it the checkpoint of another model?"
        ) from None
    with empty():
        network = Network(vision, text)
    load_strict(network, state, path, ignore=("position_ids",))
    with memory(device, f"the weights of {path}"):
        network.vision.to(device, dtype)
        network.text.to(device, dtype)
        return network.to(device)


def renamed(key: str) -> str:
    """A published key as transformers names it."""
    for pattern, replacement in RENAMED:
        key = re.sub(pattern, replacement, key)
    return key


def configurations(state: Mapping[str, torch.Tensor]) -> tuple[BlipVisionConfig, BlipTextConfig]:
    """Sizes as the weights have them (BLIP large in the published file), the rest as published."""
    patch = state["vision.embeddings.patch_embedding.weight"]
    positions = state["vision.embeddings.position_embedding"].shape[1] - 1
    words, places = (
        state["text.embeddings.word_embeddings.weight"],
        state["text.embeddings.position_embeddings.weight"],
    )
    width, hidden = patch.shape[0], words.shape[1]
    vision = BlipVisionConfig(
        hidden_size=width,
        intermediate_size=state["vision.encoder.layers.0.mlp.fc1.weight"].shape[0],
        num_hidden_layers=_layers(state, "vision.encoder.layers."),
        num_attention_heads=width // HEAD_DIM,
        image_size=round(positions**0.5) * patch.shape[-1],
        patch_size=patch.shape[-1],
        hidden_act="gelu",
        layer_norm_eps=1e-6,
    )
    text = BlipTextConfig(
        vocab_size=words.shape[0],
        hidden_size=hidden,
        encoder_hidden_size=width,
        intermediate_size=state["text.encoder.layer.0.intermediate.dense.weight"].shape[0],
        num_hidden_layers=_layers(state, "text.encoder.layer."),
        num_attention_heads=hidden // HEAD_DIM,
        max_position_embeddings=places.shape[0],
        hidden_act="gelu",
        layer_norm_eps=1e-12,
        # there is no attention to the image otherwise; the call says False, so that words see each other
        # both ways
        is_decoder=True,
    )
    return vision, text


def words(folder: Path) -> Any:
    """bert-base-uncased with the two marks that BLIP adds to it."""
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    except Exception as error:
        raise BrokenRanker(
            f"{folder} holds no tokenizer ({reason_of(error)}); give tokenizer=FOLDER"
        ) from None
    tokenizer.add_tokens(["[DEC]", "[ENC]"], special_tokens=True)
    return tokenizer


@torch.inference_mode()
@full_float32()
def raw_scores(network: Network, tokenizer: Any, seen: Sequence[tuple[Pixels, str]]) -> torch.Tensor:
    """Scores of images with their prompts before they are standardised, (B,) in float64, on the device.

    Prompts are filled up to the longest of them, not to the limit: the mask hides what is filled in.
    """
    prepared, prompts = [pixels for pixels, _ in seen], [prompt for _, prompt in seen]
    tokens = tokenizer(prompts, padding="longest", truncation=True, max_length=LIMIT, return_tensors="pt")
    first = next(network.vision.parameters())
    ids, mask = (sent(tokens[name], first.device) for name in ("input_ids", "attention_mask"))
    scores_B: torch.Tensor = network(on_device(prepared, first.device, first.dtype), ids, mask)
    return scores_B.double()


def _layers(state: Mapping[str, torch.Tensor], prefix: str) -> int:
    return 1 + max(int(key.removeprefix(prefix).split(".")[0]) for key in state if key.startswith(prefix))
