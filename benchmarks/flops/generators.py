"""Weights, activations and TFLOP of one update of every generator at full size, counted on networks without
values: `python -m benchmarks.flops.generators` on any machine, in a few minutes.

Activations are what autograd keeps of one candidate for backward, in bfloat16, each storage once and no
weights, with attention that keeps no matrix; where they are made anew in backward, the largest part that is
made at a time is not among them. An update is of one prompt with K candidates: every step of the candidates
and of the base, the last with its gradient, and one decoding each. Of the ranker, the text encoder and the
features nothing is counted.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest import mock

import torch
from torch.utils.checkpoint import checkpoint

from benchmarks.flops.networks import Cost, counted
from benchmarks.flops.sizes import DTYPE, SIZES, Size
from benchmarks.record import record

CANDIDATES = 24


def main() -> int:
    """Count every generator and record the row."""
    names = sys.argv[1:] or list(SIZES)
    row = record(
        "flops", "generators", "python -m benchmarks.flops.generators",
        lambda: {"candidates": CANDIDATES, "generators": {name: of(name, SIZES[name]) for name in names}},
    )  # fmt: skip
    for name, found in row["generators"].items():
        print(name, found)
    return 0


def of(name: str, size: Size) -> dict[str, Any]:
    """What one generator is and takes."""
    network, autoencoder = size.made()
    weights, decoder = _weights(network), _weights(autoencoder)
    lora = sum(each.numel() for each in network.parameters() if each.requires_grad)
    step, decode = partial(_step, network, size), partial(_decode, autoencoder, size)
    held = {"network": kept(step), "decoder": kept(decode)}
    costs = {"network": counted(step), "decoder": counted(decode)}
    network.enable_gradient_checkpointing()
    if autoencoder._supports_gradient_checkpointing:
        autoencoder.enable_gradient_checkpointing()
        autoencoder.train()  # its blocks repeat nothing otherwise
    else:
        decode = partial(_repeated, autoencoder, size)
    less = {"network": kept(step), "decoder": kept(decode)}
    print(f"{name}: {weights / 1e9:.2f} billion weights", file=sys.stderr, flush=True)
    return {
        "side": size.side,
        "steps": size.steps,
        "weights": {"network": weights, "decoder and encoder": decoder, "lora": lora},
        "GiB of weights": round((weights + decoder) * DTYPE.itemsize / 2**30, 2),
        "GiB kept": {part: round(bytes / 2**30, 2) for part, bytes in held.items()},
        "GiB kept, checkpointing": {part: round(bytes / 2**30, 3) for part, bytes in less.items()},
        "TFLOP": {
            part: {"forward": round(cost.forward, 3), "backward": round(cost.backward, 3)}
            for part, cost in costs.items()
        },
        "TFLOP an update": one_update(costs["network"], costs["decoder"], size.steps),
    }


def one_update(network: Cost, decoder: Cost, steps: int) -> dict[str, float]:
    """Of one prompt: with features of the latents, and of the decoded images."""
    forward = CANDIDATES * (2 * steps * network.forward + decoder.forward)
    on_latents = forward + CANDIDATES * network.backward
    found = {
        "latents": on_latents,
        "latents, checkpointing": on_latents + CANDIDATES * network.forward,
        # the base's images are decoded too
        "images": on_latents + CANDIDATES * (decoder.forward + decoder.backward),
    }
    if steps > 1:
        found["latents, two steps with a graph"] = on_latents + CANDIDATES * network.backward
    return {name: round(each, 1) for name, each in found.items()}


def _weights(part: Any) -> int:
    return sum(each.numel() for each in part.parameters() if not each.requires_grad)


def _step(network: Any, size: Size) -> list[torch.Tensor]:
    made = network(**size.step(network), return_dict=False)[0]
    return list(made) if isinstance(made, list) else [made]


def _latents(size: Size) -> torch.Tensor:
    return torch.empty(size.latents, dtype=DTYPE, device="meta", requires_grad=True)


def _decode(autoencoder: Any, size: Size) -> list[torch.Tensor]:
    return [autoencoder.decode(_latents(size), return_dict=False)[0]]


def _repeated(autoencoder: Any, size: Size) -> list[torch.Tensor]:
    decode = partial(autoencoder.decode, return_dict=False)
    return [checkpoint(decode, _latents(size), use_reentrant=False)[0]]


def kept(make: Callable[[], list[torch.Tensor]]) -> int:
    """Bytes that are kept for backward, each storage once."""
    found: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if not isinstance(tensor, torch.nn.Parameter) and not isinstance(tensor._base, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            found[storage._cdata] = storage
        return tensor

    with (
        mock.patch.object(torch.nn.functional, "scaled_dot_product_attention", _attention),
        torch.device("meta"),
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
    ):
        made = make()
    del made
    return sum(storage.nbytes() for storage in found.values())


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any, **__: Any) -> Any:
    return _Fused.apply(query, key, value)


class _Fused(torch.autograd.Function):
    """What attention keeps on a GPU: its inputs, what it gives and one number per query, no matrix."""

    @staticmethod
    def forward(context: Any, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        """The output's shape, and what is kept."""
        given = query.new_empty(*query.shape[:-1], value.shape[-1])
        context.save_for_backward(query, key, value, given, query.new_empty(query.shape[:-1]).float())
        return given

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The gradients' shapes."""
        return tuple(torch.empty_like(each) for each in context.saved_tensors[:3])


if __name__ == "__main__":
    sys.exit(main())
