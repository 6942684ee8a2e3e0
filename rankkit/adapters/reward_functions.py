"""The other way: reward functions of trainers as rankers.

A function ``(images, prompts, metadata)`` that is content with Pillow images is a ranker as it stands
(``-r module:function``). Most published ones want arrays or tensors; in a module of yours:

    to_tensor = lambda array: torch.tensor(array).permute(0, 3, 1, 2) / 255
    pickscore = reward_functions.ranker(flow_grpo.rewards.pickscore_score("cuda"), convert=to_tensor)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from rankkit.core.binding import listed
from rankkit.core.rankers import pointwise

__all__ = ["ranker"]

Ranked = Callable[[Sequence[Image.Image], Sequence[str], Sequence[Mapping[str, Any]]], list[Any]]


def ranker(
    function: Callable[..., Any], *, convert: Callable[[np.ndarray[Any, Any]], Any] | None = None
) -> Ranked:
    """Such a function, for ``-r module:name``; what it returns is a list of scores, or (scores, info).

    Its images are one array of uint8 (N, H, W, 3) for each size, or what `convert` makes of that.
    """

    def reward(
        images: Sequence[Image.Image], prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> list[Any]:
        sizes: dict[tuple[int, int], list[int]] = {}
        for place, image in enumerate(images):
            sizes.setdefault(image.size, []).append(place)
        scores: list[Any] = [None] * len(images)
        for places in sizes.values():
            array = np.stack([np.asarray(images[place]) for place in places])
            given = array if convert is None else convert(array)
            found = function(given, [prompts[i] for i in places], [metadata[i] for i in places])
            for place, score in zip(places, listed(found, len(places), "images"), strict=True):
                scores[place] = score
        return scores

    return pointwise(reward)
