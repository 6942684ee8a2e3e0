"""Which rankers share workers: where a cluster has GPUs, those that need none have workers of their own."""

from __future__ import annotations

from collections.abc import Sequence

from rankkit.registry.load import Prepared
from rankkit.scoring.ray.cluster import has_gpus


def needs_gpu(ranker: Prepared) -> bool:
    """Whether its workers get a part of a GPU: not for an installed function of the image alone.

    A function given as MODULE:NAME may hold a model.
    """
    return not ranker.plain or ":" in ranker.identity.ranker


def pools(lane: tuple[int, ...], rankers: Sequence[Prepared]) -> list[tuple[int, ...]]:
    """The rankers of a lane by the workers that they share, one pool after the other.

    Those that need GPUs stay together: an image is decoded once for them, and CLIP's towers are shared.
    """
    on_gpu = tuple(i for i in lane if needs_gpu(rankers[i]))
    others = tuple(i for i in lane if i not in on_gpu)
    return [on_gpu, others] if on_gpu and others and has_gpus() else [lane]
