"""The work of an update is counted as it is done."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from benchmarks.flops.generators import CANDIDATES, kept, one_update
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


def test_an_update_of_few_steps_runs_candidates_and_base_through_each_and_backward_through_the_last() -> None:
    found = one_update(Cost(1.0, 1.0), Cost(0.0), steps=4)
    assert found["latents"] == CANDIDATES * (2 * 4 + 1)
    assert found["latents, checkpointing"] == CANDIDATES * (2 * 4 + 2)
    assert found["latents, two steps with a graph"] == CANDIDATES * (2 * 4 + 2)
    assert one_update(Cost(0.0), Cost(1.0, 1.0), steps=1) == {
        "latents": CANDIDATES, "latents, checkpointing": CANDIDATES, "images": CANDIDATES * 3
    }  # fmt: skip


def test_what_is_kept_for_backward_is_counted_once_without_weights_and_without_attentions_matrix() -> None:
    def attention() -> list[Tensor]:
        seen = torch.empty(1, 2, 64, 8, requires_grad=True).exp()  # keeps what it gives
        return [torch.nn.functional.scaled_dot_product_attention(seen, seen, seen)]

    tensor, per_query = 2 * 64 * 8 * 4, 2 * 64 * 4
    assert kept(attention) == 2 * tensor + per_query  # what goes in, once; what comes out; a number per query

    def layer() -> list[Tensor]:
        weight = torch.nn.Parameter(torch.empty(8, 8))
        return [torch.empty(4, 8, requires_grad=True) @ weight]

    assert kept(layer) == 4 * 8 * 4
