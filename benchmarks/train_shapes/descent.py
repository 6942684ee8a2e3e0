"""The optimiser of every part."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR


class Descent:
    """AdamW's clipped steps, whose rate rises over 50 of them, stays, and falls to nothing over the last 40
    %.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], rate: float, steps: int) -> None:
        self.parameters = list(parameters)
        self.optimizer = torch.optim.AdamW(self.parameters, rate, betas=(0.9, 0.99), weight_decay=1e-2)
        self.schedule = LambdaLR(
            self.optimizer, lambda step: min((step + 1) / 50, 1, (steps - step) / (0.4 * steps))
        )

    def step(self, loss: Tensor) -> None:
        """Down the gradient of `loss`."""
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
