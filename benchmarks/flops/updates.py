"""What one update runs through each network, and so its TFLOP."""

from __future__ import annotations

from benchmarks.flops.networks import Cost

CANDIDATES, ANCHORS = 24, 16


def updates(cost: dict[str, Cost]) -> dict[str, float]:
    """TFLOP of one update by name."""
    text, unet, decoder, features, ranker = (
        cost[name] for name in ("text encoder", "U-Net", "decoder", "features", "ranker")
    )
    seen = 2 * features.forward + features.backward  # the candidates' and the base's
    ours = text.forward + CANDIDATES * (unet.forward + decoder.forward + ranker.forward + seen)
    with_gradient = (unet, decoder, ranker)
    draft = CANDIDATES * sum(each.forward + each.backward for each in with_gradient)
    repeated = CANDIDATES * sum(each.repeated for each in with_gradient)
    more_decodes = (2 * CANDIDATES + ANCHORS - CANDIDATES) * decoder.forward
    more_texts = (2 * CANDIDATES - 1) * text.forward
    checkpointed = ours + CANDIDATES * unet.repeated
    return {
        "drpo": ours + CANDIDATES * (unet.forward + unet.backward),
        "drpo checkpointed": checkpointed,
        "draft": text.forward + repeated,
        "draft kept": text.forward + draft,
        "authors": checkpointed + more_decodes + more_texts,
    }
