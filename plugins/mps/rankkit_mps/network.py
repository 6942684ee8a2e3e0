"""What MPS adds to CLIP: layers in which the patches of an image attend to the words that count.

Keys and values have one head, as in PaLM (Chowdhery et al. 2022, arXiv 2204.02311). Shapes: B images, N
patches with the class token, T words, D features, H heads, K features of a head.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.functional import layer_norm, scaled_dot_product_attention, silu


@dataclass(frozen=True)
class Sizes:
    """Of the added layers: how many, features, heads, features of a head and of the feed-forward part."""

    layers: int
    dim: int
    heads: int
    dim_head: int
    inner: int

    @classmethod
    def of(cls, state: Mapping[str, torch.Tensor]) -> Sizes:
        """Of the layers in a checkpoint. Raises KeyError where it has none."""
        first = "cross_model.layers.0.0.fn."
        (inner_q, dim), (twice, _) = state[first + "to_q.weight"].shape, state[first + "to_kv.weight"].shape
        places = {key.split(".")[2] for key in state if key.startswith("cross_model.layers.")}
        head = max(1, twice // 2)
        return cls(len(places), dim, inner_q // head, head, state[first + "ff.2.weight"].shape[1])


class Norm(nn.Module):
    """Layer normalisation with a bias that is not learned: zeros, which the file holds all the same."""

    bias: torch.Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(dim))
        self.register_buffer("bias", torch.zeros(dim))

    def forward(self, x_BND: torch.Tensor) -> torch.Tensor:
        """The same shape."""
        return layer_norm(x_BND, x_BND.shape[-1:], self.weight, self.bias)


class Gated(nn.Module):
    """SwiGLU: the first half, times SiLU of the second."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Half as many features."""
        value, gate = x.chunk(2, dim=-1)
        return silu(gate) * value


class ToWords(nn.Module):
    """Patches attend to words, beside a feed-forward part."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads, width = sizes.heads, sizes.heads * sizes.dim_head
        self.norm = Norm(sizes.dim)
        self.to_q = nn.Linear(sizes.dim, width, bias=False)
        self.to_kv = nn.Linear(sizes.dim, 2 * sizes.dim_head, bias=False)
        self.to_out = nn.Linear(width, sizes.dim, bias=False)
        self.ff = nn.Sequential(
            nn.Linear(sizes.dim, 2 * sizes.inner, bias=False),
            Gated(),
            nn.Linear(sizes.inner, sizes.dim, bias=False),
        )

    def forward(self, x_BND: torch.Tensor, words_BTD: torch.Tensor, counts_BT: torch.Tensor) -> torch.Tensor:
        """What is added to the patches; only the words of which `counts_BT` is true are attended to."""
        x_BND = self.norm(x_BND)
        q_BHNK = _heads(self.to_q(x_BND), self.heads)
        k_BTK, v_BTK = self.to_kv(words_BTD).chunk(2, dim=-1)
        out_BND = self.to_out(_attended(q_BHNK, k_BTK, v_BTK, counts_BT[:, None, None, :]))
        added_BND: torch.Tensor = out_BND + self.ff(x_BND)
        return added_BND


class AmongPatches(nn.Module):
    """Patches attend to each other, with rotary positions, beside a feed-forward part."""

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.heads, self.widths = sizes.heads, (sizes.heads * sizes.dim_head, sizes.dim_head, sizes.dim_head)
        self.norm = Norm(sizes.dim)
        self.rotary_emb: Any = nn.Module()
        self.rotary_emb.register_buffer("inv_freq", torch.zeros(sizes.dim_head // 2))
        self.fused_attn_ff_proj = nn.Linear(sizes.dim, sum(self.widths) + 2 * sizes.inner, bias=False)
        self.attn_out = nn.Linear(self.widths[0], sizes.dim, bias=False)
        self.ff_out = nn.Sequential(Gated(), nn.Linear(sizes.inner, sizes.dim, bias=False))

    def forward(self, x_BND: torch.Tensor) -> torch.Tensor:
        """What is added to the patches."""
        fused = self.fused_attn_ff_proj(self.norm(x_BND))
        q, k_BNK, v_BNK, ff = fused.split((*self.widths, fused.shape[-1] - sum(self.widths)), dim=-1)
        q_BHNK, k_BNK = (self._turned(each) for each in (_heads(q, self.heads), k_BNK))
        out_BND: torch.Tensor = self.attn_out(_attended(q_BHNK, k_BNK, v_BNK, None)) + self.ff_out(ff)
        return out_BND

    def _turned(self, x: torch.Tensor) -> torch.Tensor:
        """Rotary position embedding, (…, N, K), with angles in float32."""
        places = torch.arange(x.shape[-2], device=x.device, dtype=torch.float32)
        angles_NK = torch.outer(places, self.rotary_emb.inv_freq.float()).repeat(1, 2)
        first, second = x.chunk(2, dim=-1)
        turned = torch.cat((-second, first), dim=-1)
        return x * angles_NK.cos().to(x.dtype) + turned * angles_NK.sin().to(x.dtype)


class Mps(nn.Module):
    """CLIP with the added layers, under the names of the published file."""

    def __init__(self, clip: nn.Module, sizes: Sizes) -> None:
        super().__init__()
        self.model: Any = clip
        self.cross_model = nn.Module()
        self.cross_model.layers = nn.ModuleList(
            nn.ModuleList([_named_fn(ToWords(sizes)), _named_fn(AmongPatches(sizes))])
            for _ in range(sizes.layers)
        )

    def words(self, ids_BT: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Projected features of every token (B, T, D), and of the end mark (B, D)."""
        found = self.model.text_model(input_ids=ids_BT)
        return self.model.text_projection(found.last_hidden_state), self.model.text_projection(
            found.pooler_output
        )

    def patches(self, pixels_B3HW: torch.Tensor) -> torch.Tensor:
        """Projected features of every patch, the class token first, (B, N, D)."""
        found = self.model.vision_model(pixel_values=pixels_B3HW)
        projected: torch.Tensor = self.model.visual_projection(found.last_hidden_state)
        return projected

    def seen(
        self, patches_BND: torch.Tensor, words_BTD: torch.Tensor, counts_BT: torch.Tensor
    ) -> torch.Tensor:
        """What is seen of each image in the light of the words that count, (B, D)."""
        layers: Any = self.cross_model.layers
        for to_words, among in layers:
            patches_BND = patches_BND + to_words.fn(patches_BND, words_BTD, counts_BT)
            patches_BND = patches_BND + among.fn(patches_BND)
        seen_BD: torch.Tensor = patches_BND[:, 0]
        return seen_BD


def _named_fn(module: nn.Module) -> nn.Module:
    named = nn.Module()
    named.fn = module
    return named


def _heads(x_BNE: torch.Tensor, heads: int) -> torch.Tensor:
    x_BNHK: torch.Tensor = x_BNE.unflatten(-1, (heads, -1))
    return x_BNHK.transpose(1, 2)


def _attended(
    q_BHNK: torch.Tensor, k_BTK: torch.Tensor, v_BTK: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """Attention with one head of keys and values for all, heads side by side again."""
    shape = (-1, q_BHNK.shape[1], -1, -1)
    k_BHTK, v_BHTK = (each[:, None].expand(shape) for each in (k_BTK, v_BTK))
    return scaled_dot_product_attention(q_BHNK, k_BHTK, v_BHTK, mask).transpose(1, 2).flatten(2)
