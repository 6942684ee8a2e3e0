"""The last stage of a masked autoencoder of latents: the paper's map for SD-Turbo (arXiv 2606.02521).

The network is the ResNet of Deng et al. (arXiv 2602.04770); `load` takes their published weights, made for
latents of Stable Diffusion's autoencoder (4 channels), by the key map in `drpo.features._resnet_weights`. For
other latents train one with `fit`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from drpo.features import _resnet_weights
from drpo.features._resnet_mae import Decoder, Encoder, masked_loss
from drpo.types import Sample
from rankkit import RankkitError

PATCHES = (2, 4)  # sides of the patches of the last stage that are summarised beside the whole


class LatentMae(nn.Module):
    """Keys ``mean``, ``std`` (K,D), and per patch size p ``mean_p``, ``std_p`` (K, tokens, D), of the last
    stage, in float32.

    Patches that do not divide the last map more than once are left out. D is ``base`` doubled per further
    stage. The defaults are those of the published MAE-256, whose last stage sees 64×64 latents as 8×8 with
    2048 channels.
    """

    def __init__(self, channels: int = 4, *, base: int = 256, layers: Sequence[int] = (3, 4, 6, 3)) -> None:
        super().__init__()
        self.channels, self.base, self.layers = channels, base, tuple(layers)
        self.encoder = Encoder(channels, base, self.layers)

    def forward(self, sample: Sample) -> Mapping[str, Tensor]:
        """The summaries of every candidate's latent."""
        self.to(sample.latents.device)
        last = self.encoder(sample.latents.float())[-1]
        found = {"mean": last.mean((2, 3)), "std": _spread(last.flatten(2))}
        for size in PATCHES:
            if all(side > size and side % size == 0 for side in last.shape[2:]):
                # (K, D, tokens, size²)
                patches = last.unfold(2, size, size).unfold(3, size, size).flatten(4).flatten(2, 3)
                found[f"mean_{size}"], found[f"std_{size}"] = patches.mean(3).mT, _spread(patches).mT
        return found


def fit(
    mae: LatentMae,
    batches: Iterable[Tensor],
    *,
    rate: float = 1e-3,
    share: float = 0.5,
    cell: int = 2,
    seed: int = 0,
) -> list[float]:
    """Train on batches of latents (K,C,h,w), in the scale the U-Net sees; returns the loss of every step.

    Of every latent a random `share` of its `cell`×`cell` squares is hidden and restored by a decoder that is
    then thrown away.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        decoder = Decoder(mae.channels, mae.base, len(mae.layers)).to(next(mae.parameters()).device)
    generator = torch.Generator().manual_seed(seed)
    weights = [*mae.requires_grad_(True).parameters(), *decoder.parameters()]
    optimizer = torch.optim.AdamW(weights, rate, betas=(0.9, 0.95), weight_decay=0.01)
    losses = []
    for latents in batches:
        loss = masked_loss(mae.encoder, decoder, latents, _hidden(latents, share, cell, generator))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    mae.requires_grad_(False)
    return losses


def save(mae: LatentMae, path: Path) -> None:
    """Write the encoder's weights in half precision; their shapes say how to build it again."""
    save_file({name: value.half().contiguous() for name, value in mae.encoder.state_dict().items()}, path)


def load(generator: Any, *, model: str = "") -> LatentMae:
    """The map with the weights in the file `model`, or those a generator ships with: see
    `drpo.features._resnet_weights.read`.
    """
    name = str(model or getattr(generator, "latent_mae", ""))
    path = Path(name)
    if not path.is_file():
        raise RankkitError(
            f"latent_mae needs weights for this generator's latents, "
            f"and {f'{name!r} is no file' if name else 'none are named'}; give "
            "features_model=FILE: for SD-Turbo models/mae/jax/mae_latent_256/ema_params.msgpack of "
            "Goodeat/drifting on the hub; for "
            "other latents train them with drpo.features.latent_mae.fit"
        )
    weights = _resnet_weights.read(path)
    channels, base, layers = _resnet_weights.shape(weights)
    wanted = generator.network.config.in_channels if hasattr(generator, "network") else channels
    if channels != wanted:
        raise RankkitError(
            f"{path} was trained on latents of {channels} channels; this generator's have {wanted}"
        )
    mae = LatentMae(channels, base=base, layers=layers)
    try:
        mae.encoder.load_state_dict(weights)
    except RuntimeError as error:
        raise RankkitError(
            f"{path} does not fit the ResNet MAE of arXiv 2602.04770: {' '.join(str(error).split())}"
        ) from None
    return mae.requires_grad_(False).eval()


def _hidden(latents: Tensor, share: float, cell: int, generator: torch.Generator) -> Tensor:
    """(K,1,h,w), 1 where a place is hidden, in whole cells."""
    count, _, height, width = latents.shape
    cells = torch.rand(count, 1, -(-height // cell), -(-width // cell), generator=generator) < share
    return cells.repeat_interleave(cell, 2).repeat_interleave(cell, 3)[:, :, :height, :width].to(latents)


def _spread(points: Tensor) -> Tensor:
    """Standard deviation over the last dimension; the small constant keeps its gradient finite where a patch
    is flat.
    """
    return (points.var(-1, correction=0) + 1e-6).sqrt()
