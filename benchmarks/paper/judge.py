"""A pairwise judge of the shapes world, for the table of rankers: it sees two images at a time and never says
a score.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence

from PIL import Image

import rankkit
from drpo.shapes.detector import Shapes
from rankkit import Group

SHARP, BIAS = 12.0, 1.0  # logits per unit of the graded score, and for whichever image is shown first
KEPT = 256  # images whose score is kept
_known: OrderedDict[tuple[str, bytes], float] = OrderedDict()


@rankkit.pairwise
def better(
    firsts: Sequence[Image.Image], seconds: Sequence[Image.Image], prompts: Sequence[str]
) -> list[float]:
    """Prefer the image with the higher graded score, with a probability that grows with the difference, and
    the first one, as judges do.
    """
    pairs = zip(firsts, seconds, prompts, strict=True)
    logits = [
        SHARP * (_score(first, prompt) - _score(second, prompt)) + BIAS for first, second, prompt in pairs
    ]
    return [1 / (1 + math.exp(-logit)) for logit in logits]


def _score(image: Image.Image, prompt: str) -> float:
    key = prompt, image.tobytes()
    if key not in _known:
        (ranking,) = Shapes().rank([Group(prompt, (image,))])
        _known[key] = ranking.scores[0]
        if len(_known) > KEPT:
            _known.popitem(last=False)
    return _known[key]
