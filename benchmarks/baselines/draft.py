"""DRaFT (Clark et al., arXiv 2309.17400) for one step: the gradient of the reward through decoder and
generator.

With one step, DRaFT, DRaFT-K and DRaFT-1 are the same. The reward is the differentiable proxy. Its own
setting is the weight of the squared distance to the base's image of the same noise, the usual guard against
hacking.
"""

from __future__ import annotations

from torch import Tensor

from benchmarks.baselines.loop import Method, Visit


def update(visit: Visit) -> Tensor:
    """Less the mean reward of K images, plus the distance to the base."""
    latents = visit.sample()
    gained = visit.reward(latents).mean()
    if not visit.knob:
        return -gained
    distance = (latents - visit.base()).square().mean()
    return visit.knob * distance - gained


METHOD = Method(
    "DRaFT", update, "weight of the distance to the base", ((3e-3, 0.0), (1e-3, 0.0), (3e-3, 0.1)),
    needs_gradient=True,
)  # fmt: skip
