"""Rejection finetuning (RAFT, Dong et al., arXiv 2304.06767) for one step: the best of K become targets.

The generator draws K images, the ranker keeps the best, and all K are regressed on the kept ones in latent
space. A deterministic generator that is regressed on images of other noises learns their mean, so every image
is given the nearest of the kept ones; a kept one is its own. Its own setting is how many are kept.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.baselines.loop import Method, Visit
from drpo.preference import split


def update(visit: Visit) -> Tensor | None:
    """Squared distance of every latent to the nearest of the best."""
    latents = visit.sample()
    anchors = split(visit.ranking(latents), int(visit.knob))
    if anchors is None:
        return None
    kept = latents.detach()[list(anchors.positive)]
    nearest = torch.cdist(latents.detach().flatten(1), kept.flatten(1)).argmin(1)
    return (latents - kept[nearest]).square().mean()


METHOD = Method("best of K, finetuned", update, "images kept", ((1e-3, 4.0), (1e-3, 12.0), (3e-4, 4.0)))
