"""The work of an update is counted as it is done."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.flops.networks import Cost, counted
from benchmarks.flops.updates import updates


def test_frozen_weights_get_no_gradient_and_are_counted_without_one() -> None:
    def layers() -> list[Tensor]:
        frozen, trained = torch.empty(8, 4), torch.empty(4, 8, requires_grad=True)
        return [torch.empty(2, 4) @ trained @ frozen]

    forward, frozen_input, trained_weight = 2 * (2 * 2 * 4 * 8), 2 * 2 * 8 * 4, 2 * 2 * 4 * 8
    cost = counted(layers)
    assert cost.forward == forward / 1e12
    assert cost.backward == (frozen_input + trained_weight) / 1e12


def test_a_gradient_through_the_ranker_costs_it_three_passes_and_an_order_one() -> None:
    free = dict.fromkeys(("text encoder", "U-Net", "decoder", "features", "ranker"), Cost(0.0))
    found = updates(free | {"ranker": Cost(1.0, 1.0)})
    assert found == {
        "drpo": 24, "drpo checkpointed": 24, "draft": 24 * 3, "draft kept": 24 * 2, "authors": 24
    }  # fmt: skip
    decoder = updates(free | {"decoder": Cost(1.0, 1.0)})
    assert (decoder["drpo"], decoder["authors"]) == (24, 64)
    unet = updates(free | {"U-Net": Cost(1.0, 1.0)})
    assert (unet["drpo"], unet["drpo checkpointed"]) == (pytest.approx(24 * 3), pytest.approx(24 * 4))
