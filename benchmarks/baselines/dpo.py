"""Diffusion-DPO (Wallace et al., arXiv 2311.12908) at the one timestep that a one-step generator runs at.

The base draws K images of a prompt, the ranker orders them, and the best are paired with the worst. Both of a
pair get the same fresh noise, and the loss compares how much better than the base the generator restores the
one than the other. The images come from the base, as a preference data set's come from elsewhere. Its own
setting is beta, times the squared error per dimension of the restored latents.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.baselines.loop import Method, Visit
from drpo.preference import split


def update(visit: Visit) -> Tensor | None:
    """Minus log σ of beta times what the better of each pair gained in likelihood over the worse one."""
    images = visit.base()
    anchors = split(visit.ranking(images), visit.anchors)
    if anchors is None:
        return None
    pairs = min(len(anchors.positive), len(anchors.negative))
    better, worse = images[list(anchors.positive[:pairs])], images[list(anchors.negative[:pairs])]
    fresh = torch.randn(better.shape, generator=visit.draw).to(better)
    gained = _gained(visit, better, fresh) - _gained(visit, worse, fresh)
    return -torch.nn.functional.logsigmoid(visit.knob * gained).mean()


def _gained(visit: Visit, images: Tensor, fresh: Tensor) -> Tensor:
    """Per image, the base's squared error in restoring it less the generator's."""
    scheduler = visit.generator.pipe.scheduler
    scheduler.set_timesteps(1, device=images.device)
    noised = scheduler.add_noise(images, fresh, scheduler.timesteps) / scheduler.init_noise_sigma
    with visit.generator.reference(), torch.no_grad():
        before = visit.generator.sample(visit.prompt, noised).latents
    now = visit.generator.sample(visit.prompt, noised).latents
    return ((before - images).square() - (now - images).square()).flatten(1).mean(1)


METHOD = Method("DPO", update, "beta", ((3e-3, 10.0), (1e-3, 100.0), (3e-4, 100.0)))
