"""TRL: a reward function of GRPOTrainer as of TRL 1.10, ``(prompts, completions, **columns)``.

A completion is an image, or a conversation whose last message holds one; or text, of which `render` makes one
(SVG, HTML, code that draws), or None. None is what TRL takes for an abstention.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image

from rankkit.adapters.conversations import last_image, last_text
from rankkit.adapters.judge import Judge
from rankkit.core.types import Ranker
from rankkit.errors import UsageError

__all__ = ["reward"]

METADATA = (str, int, float, list, dict)  # types of columns of the dataset that go to the ranker


def reward(
    ranker: str | Ranker, *, render: Callable[[str], Image.Image | None] | None = None
) -> Callable[..., list[float | None]]:
    """A reward function for `reward_funcs`; the dataset's other columns are the metadata of their prompts."""
    judge = Judge(ranker)

    def rankkit_reward(
        prompts: Sequence[Any], completions: Sequence[Any], completion_ids: Any = None, **columns: Any
    ) -> list[float | None]:
        images = [last_image(completion) for completion in completions]
        if render is not None:
            pairs = zip(images, completions, strict=True)
            images = [render(last_text(text)) if image is None else image for image, text in pairs]
        elif any(image is None for image in images):
            raise UsageError("a completion is text without an image; give reward() a render= that draws it")
        there = [place for place, image in enumerate(images) if image is not None]
        lists = {key: values for key, values in columns.items() if isinstance(values, list)}
        about = [{k: v[i] for k, v in lists.items() if isinstance(v[i], METADATA)} for i in there]
        scores, _ = judge.scores([images[i] for i in there], [last_text(prompts[i]) for i in there], about)
        found = {place: score for place, score in zip(there, scores, strict=True) if not math.isnan(score)}
        return [found.get(place) for place in range(len(images))]

    rankkit_reward.__name__ = f"rankkit_{judge.name}"  # the name of its column in TRL's log
    return rankkit_reward
