"""GRPO (Shao et al., arXiv 2402.03300; for image generators Liu et al., arXiv 2505.05470) for one step.

As in `pso` the deterministic step becomes a Gaussian policy around its output. The K draws of a prompt are
scored, their advantages are the scores less the group's mean, over its standard deviation, and one step
is made per group, on policy, where the clipped ratio is 1 and its gradient that of the log likelihood. The
divergence from the base is that of two Gaussians. Its own setting is the policy's standard deviation, in the
latents' units.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.baselines.loop import Method, Visit

BETA = 0.004  # weight of the divergence from the base, per draw


def update(visit: Visit) -> Tensor | None:
    """Minus advantage times log likelihood, plus the divergence from the base."""
    mean, base = visit.sample(), visit.base()
    drawn = visit.explored(mean, visit.knob)
    scores = torch.tensor(visit.ranking(drawn).scores).to(mean)
    if not scores.isfinite().all() or scores.std() == 0:
        return None
    advantage = (scores - scores.mean()) / (scores.std() + 1e-4)
    likelihood = -(drawn - mean).square().flatten(1).sum(1) / (2 * visit.knob**2)
    divergence = (mean - base).square().flatten(1).sum(1) / (2 * visit.knob**2)
    return (BETA * divergence - advantage * likelihood).mean()


METHOD = Method("GRPO", update, "standard deviation of the policy", ((3e-3, 0.2), (3e-3, 0.05), (1e-3, 0.2)))
