"""Pairwise sample optimization (Miao et al., arXiv 2410.03190), online, for one step.

PSO widens the margin in likelihood between the better and the worse of two images that the distilled model
itself drew, relative to its base, each step of its sampler being a Gaussian policy. A deterministic step has
no likelihood, so this one is given a Gaussian of standard deviation `STD` around its output, and the images
that are ranked are draws of it. Its own setting is beta.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.baselines.loop import Method, Visit
from drpo.preference import split

STD = 0.2  # of the policy, where latents have one of 0.75


def update(visit: Visit) -> Tensor | None:
    """Minus log σ of beta times the difference of both log likelihood ratios to the base."""
    mean, base = visit.sample(), visit.base()
    drawn = visit.explored(mean, STD)
    anchors = split(visit.ranking(drawn), visit.anchors)
    if anchors is None:
        return None
    error = (drawn - base).square() - (drawn - mean).square()
    ratio = error.flatten(1).sum(1) / (2 * STD**2)  # log of the policy's density over the base's
    pairs = min(len(anchors.positive), len(anchors.negative))
    margin = ratio[list(anchors.positive[:pairs])] - ratio[list(anchors.negative[:pairs])]
    return -torch.nn.functional.logsigmoid(visit.knob * margin).mean()


METHOD = Method("PSO", update, "beta", ((3e-3, 0.01), (1e-3, 0.1), (3e-3, 0.1)))
