"""The networks of an update at their published sizes, on the meta device: shapes alone, no values."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

IMAGE_TOKENS, TEXT_TOKENS = 256, 300  # what HPSv3 makes of an image, and its question with a prompt


@dataclass(frozen=True, slots=True)
class Cost:
    """TFLOP of one candidate through a network: its forward pass, and its backward one."""

    forward: float
    backward: float = 0.0

    @property
    def repeated(self) -> float:
        """Forward and backward where checkpointing makes the activations anew in between."""
        return 2 * self.forward + self.backward


def counted(make: Callable[[], Iterable[Tensor]]) -> Cost:
    """The cost of what `make` makes; its backward pass, where it has one. Attention is counted as plain
    products of matrices.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as flops, torch.device("meta"):
        made = [tensor.float().sum() for tensor in make()]
        forward = flops.get_total_flops()
        if made[0].requires_grad:
            torch.stack(made).sum().backward()
    return Cost(forward / 1e12, (flops.get_total_flops() - forward) / 1e12)


def latents() -> Tensor:
    """Of one image of 512 pixels, as something that a gradient is wanted of."""
    return torch.empty(1, 4, 64, 64, dtype=torch.bfloat16, requires_grad=True)


def costs() -> dict[str, Cost]:
    """Every network's cost by name, counted one candidate (of the text encoder: one prompt) at a time."""
    sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "helpers"))
    import full_size

    from drpo.features.latent_mae import LatentMae
    from drpo.types import Sample

    generator = full_size.generator("sd", "meta", torch.bfloat16, checkpointing=False)
    with torch.device("meta"):
        mae = LatentMae().requires_grad_(False).eval()
    return {
        "text encoder": counted(text_encoder),
        "U-Net": counted(lambda: [generator.unet_on("", latents().detach(), 999)]),
        "decoder": counted(lambda: [generator.decode(latents())]),
        "features": counted(lambda: mae(Sample("", latents(), generator.decode)).values()),
        "ranker": counted(ranker),
    }


def text_encoder() -> list[Tensor]:
    """One prompt through SD-Turbo's text encoder."""
    with torch.device("meta"):
        return [text_model()(torch.empty(1, 77, dtype=torch.long))[0]]


def text_model() -> Any:
    """SD-Turbo's: OpenCLIP's ViT-H text tower without its last layer."""
    from transformers import CLIPTextConfig, CLIPTextModel

    shape = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23}
    config = CLIPTextConfig(**shape, num_attention_heads=16, hidden_act="gelu")
    return CLIPTextModel(config).requires_grad_(False)


def ranker() -> list[Tensor]:
    """HPSv3's backbone, Qwen2-VL-7B: an image of `IMAGE_TOKENS`, `TEXT_TOKENS` of text."""
    model = qwen().to(torch.bfloat16)
    patches = 4 * IMAGE_TOKENS
    seen = model.visual.patch_embed(torch.empty(patches, 1176, dtype=torch.bfloat16, requires_grad=True))
    places, lengths = (torch.empty(patches, 80),) * 2, torch.tensor([0, patches], device="cpu")
    for block in model.visual.blocks:
        seen = block(seen, cu_seqlens=lengths.int(), position_embeddings=places)
    image = model.visual.merger(seen)[None]
    tokens = torch.cat([image, torch.empty(1, TEXT_TOKENS, 3584, dtype=torch.bfloat16)], 1)
    positions = torch.empty(3, 1, tokens.shape[1], dtype=torch.long)
    return [model.language_model(inputs_embeds=tokens, position_ids=positions, use_cache=False)[0][:, -1]]


def qwen() -> Any:
    """Qwen2-VL-7B without values and without its last layer, which gives words."""
    from transformers import Qwen2VLModel

    with torch.device("meta"):
        return Qwen2VLModel(qwen_config()).requires_grad_(False)


def qwen_config(
    text: Mapping[str, Any] = MappingProxyType({}), vision: Mapping[str, Any] = MappingProxyType({})
) -> Any:
    """Qwen2-VL-7B's, or with other sizes."""
    from transformers import Qwen2VLConfig

    rope = {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1e6}
    words = {
        "hidden_size": 3584,
        "num_hidden_layers": 28,
        "num_attention_heads": 28,
        "num_key_value_heads": 4,
    }
    words |= {"intermediate_size": 18944, "vocab_size": 152064, "rope_parameters": rope} | text
    seen = {"depth": 32, "embed_dim": 1280, "hidden_size": 3584, "num_heads": 16, "mlp_ratio": 4} | vision
    return Qwen2VLConfig(text_config=words, vision_config=seen | {"in_channels": 3, "patch_size": 14})
