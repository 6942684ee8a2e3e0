"""FLOPs of one update of one prompt with K = 24 candidates, SD-Turbo and an HPSv3-size ranker, counted on
networks without values: `python -m benchmarks.flops` on any machine, in about a minute.

Counted by `torch.utils.flop_counter` over the networks themselves, forward and backward (the gradient of the
LoRA's weights and of what lies on the way to them; frozen weights get none). Not counted: the drift loss, the
optimizer, preparing images. Updates:

`drpo`: the U-Net with its gradient, the base's U-Net, decoding and ranking forward, features.
`drpo checkpointed`: the same, the U-Net's activations made anew in backward.
`draft`: a reward gradient (DRaFT with one step): U-Net, decoder and ranker with their gradients, each made
anew in backward, without which the ranker's activations do not fit any GPU; `draft kept` makes none anew.
`authors`: DrPO as published: the prompt encoded for every candidate of both networks, candidates, base's
samples and anchors decoded (K + K + 8 + 8 = 64), the U-Net's activations made anew.
"""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.flops.networks import costs
from benchmarks.flops.updates import CANDIDATES, updates
from benchmarks.record import record

PAPER = 3.51  # times less time for an update with HPSv3 (arXiv 2606.02521), effective batch 192


def measured() -> dict[str, Any]:
    """Every network's cost, every update's, and what each takes of a `drpo` update."""
    cost = costs()
    found = updates(cost)
    return {
        "candidates": CANDIDATES,
        "networks": {
            name: {"forward": round(each.forward, 4), "backward": round(each.backward, 4)}
            for name, each in cost.items()
        },
        "updates": {name: round(each, 1) for name, each in found.items()},
        "times drpo": {name: round(each / found["drpo"], 2) for name, each in found.items()},
        "paper": PAPER,
    }


def main() -> int:
    """Count and record."""
    row = record("flops", "flops", "python -m benchmarks.flops", measured)
    for what in ("networks", "updates", "times drpo"):
        print(what, row[what])
    return 0


if __name__ == "__main__":
    sys.exit(main())
