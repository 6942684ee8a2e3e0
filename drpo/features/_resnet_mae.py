"""The ResNet masked autoencoder of Deng et al. (arXiv 2602.04770, appendix A.3), as their published code
builds it.

Every convolution is followed by a group norm and has no bias. Each stage after the first halves the map and
doubles the channels; a norm ends the stage, and the next stage starts from the normed map. `Decoder` serves
training only: nothing of it is needed to see.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu


class Encoder(nn.Module):
    """(K,C,h,w) to one map per stage, the stem's before them;
    `base` channels in the first stage, `layers` blocks per stage.
    """

    def __init__(self, channels: int, base: int, layers: Sequence[int]) -> None:
        super().__init__()
        widths = [base * 2**stage for stage in range(len(layers))]
        self.conv1, self.gn1 = _conv(channels, base, 3), _norm(base)
        self.stages = nn.ModuleList(
            nn.Sequential(
                _Block(before, width, stride), *(_Block(width, width, 1) for _ in range(blocks - 1))
            )
            for before, width, stride, blocks in zip(
                [base, *widths], widths, [1] + [2] * len(widths), layers, strict=False
            )
        )
        self.norms = nn.ModuleList(_norm(width) for width in widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        """The stem's map, then each stage's."""
        maps = [relu(self.gn1(self.conv1(x)))]
        for stage, norm in zip(self.stages, self.norms, strict=True):
            maps.append(norm(stage(maps[-1])))
        return maps


class Decoder(nn.Module):
    """The encoder's maps back to (K,C,h,w), from the last one up, each joined on the way."""

    def __init__(self, channels: int, base: int, stages: int) -> None:
        super().__init__()
        widths = [base, *(base * 2**stage for stage in range(stages))]
        self.bridge = _layer(widths[-1], widths[-1])
        joined = zip(widths[:0:-1], widths[-2::-1], strict=True)
        self.ups = nn.ModuleList(
            nn.Sequential(_norm(a + b), _layer(a + b, b), _layer(b, b)) for a, b in joined
        )
        self.head = nn.Conv2d(base, channels, 1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """What was hidden, restored."""
        x: Tensor = self.bridge(maps[-1])
        for up, skip in zip(self.ups, maps[-2::-1], strict=True):
            x = up(torch.cat([interpolate(x, skip.shape[2:], mode="bilinear"), skip], dim=1))
        return self.head(x)


def masked_loss(encoder: Encoder, decoder: Decoder, x: Tensor, hide: Tensor) -> Tensor:
    """Mean squared error of `x` (K,C,h,w) where `hide` (K,1,h,w) is 1, restored from a copy that is zero
    there.
    """
    error = (decoder(encoder(x * (1 - hide))) - x).square().mean(dim=1, keepdim=True)
    return (error * hide).sum() / hide.sum().clamp_min(1)


class _Block(nn.Module):
    """Two 3×3 convolutions beside a shortcut, which is projected where the shape changes."""

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.gn1 = _conv(before, width, 3, stride), _norm(width)
        self.conv2, self.gn2 = _conv(width, width, 3), _norm(width)
        self.projected = stride > 1 or before != width
        if self.projected:
            self.proj_conv, self.proj_gn = _conv(before, width, 1, stride), _norm(width)

    def forward(self, x: Tensor) -> Tensor:
        """(K,before,h,w) to (K,width,h/stride,w/stride)."""
        inner = self.gn2(self.conv2(relu(self.gn1(self.conv1(x)))))
        return relu(inner + (self.proj_gn(self.proj_conv(x)) if self.projected else x))


def _conv(before: int, width: int, size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(before, width, size, stride, size // 2, bias=False)


def _norm(width: int) -> nn.GroupNorm:
    """As many groups as divide the channels, 32 at most."""
    groups = next(groups for groups in range(min(32, width), 0, -1) if width % groups == 0)
    return nn.GroupNorm(groups, width, eps=1e-6)


def _layer(before: int, width: int) -> nn.Sequential:
    return nn.Sequential(_conv(before, width, 3), _norm(width), nn.ReLU())
