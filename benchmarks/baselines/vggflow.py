"""VGG-Flow (Liu et al., arXiv 2512.05116) for one step: what training adds to the base's output is matched
with the gradient of a value function.

In the flow the finetuned velocity less the base's is regressed on the value's gradient, which is initialised
by the reward's at the image that one step reaches. With one step the value at the end is the reward, so the
target is the base's image of the same noise, moved along the reward's gradient at the image as it is now. Its
own setting is the length of that move: its root mean square over the K images of a prompt, in the latents'
units.
"""

from __future__ import annotations

import torch
from torch import Tensor

from benchmarks.baselines.loop import Method, Visit


def update(visit: Visit) -> Tensor:
    """Squared distance of the added part to the value's gradient."""
    latents = visit.sample()
    here = latents.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(visit.reward(here).sum(), here)
    length = gradient.square().mean().sqrt().clamp_min(1e-12)
    target = visit.base() + visit.knob * gradient / length
    return (latents - target).square().mean()


METHOD = Method(
    "VGG-Flow", update, "length of the move", ((3e-3, 0.3), (3e-3, 1.0), (1e-3, 1.0)), needs_gradient=True
)
