"""UnifiedReward (Wang et al. 2025, arXiv 2503.05236, and -Think, 2505.03318), asked as it was trained.

Its models are Qwen2.5-VL, Qwen3-VL, Qwen3.5 and LLaVA-OneVision that write scores, or which image is better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from PIL import Image
from typing_extensions import Unpack

from rankkit import Group, Pairwise, Pointwise, Ranking, Scored
from rankkit.errors import BadOption
from rankkit_vlm_judge.asking import told
from rankkit_vlm_judge.images import EncodedImages
from rankkit_vlm_judge.options import Connection, check_degree, check_side
from rankkit_vlm_judge.published import numbers
from rankkit_vlm_judge.published.asking import abstention, ask_for_words, version
from rankkit_vlm_judge.published.questions import Written
from rankkit_vlm_judge.published.words import words

Axis = Literal["mean", "alignment", "coherence", "style"]
Point = Literal["v1", "v2"]
Pair = Literal["v1", "v2", "think", "think-v1"]
Numbers = Callable[[str], dict[str, float] | None]

POINTS: dict[str, Numbers] = {"v1": numbers.final_score, "v2": numbers.axis_scores}
PAIRS: dict[str, Numbers] = {
    "v1": numbers.conclusion,
    "v2": numbers.axis_shares,
    "think": numbers.answer,
    "think-v1": numbers.answer,
}


class UnifiedReward(Pointwise):
    """How well an image shows its prompt and how good it looks, from 1 to 5, as a UnifiedReward writes it.

    `template` v1: one score, of any version; v2: alignment, coherence and style, of UnifiedReward-2.0, of
    which `axis` chooses one or the mean. `max_side`: the longer side in pixels that images are scaled down
    to. Other options say which model is asked: see `Connection`.
    """

    version = version(*(words(f"unifiedreward-{name}") for name in POINTS))

    def __init__(
        self,
        *,
        template: Point = "v1",
        axis: Axis = "mean",
        max_side: int | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        self.template, self.axis = _known(template, POINTS), axis
        self.max_side = check_side(max_side)
        _check_axis(template, axis)
        self.asker = ask_for_words(connection)

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[Scored]:
        """The score of every image, with the axes in its details; NaN with ``error`` where none was told."""
        encoded, name = EncodedImages(self.max_side), f"unifiedreward-{self.template}"
        asked = [
            Written("", (encoded[image], words(name, prompt=prompt)), POINTS[self.template])
            for image, prompt in zip(images, prompts, strict=True)
        ]
        found = []
        for question, verdict in zip(asked, self.asker.verdicts(asked), strict=True):
            details = {"tokens": verdict.tokens, **self.asker.whom}
            said = question.said(verdict)
            if said is None:
                found.append(abstention(verdict, details))
            else:
                axes = said if self.template == "v2" else {}
                found.append(Scored(_of(said, self.axis), details={**details, **axes}))
        return found


class UnifiedRewardPair(Pairwise):
    """Which of two images is better, as a UnifiedReward writes it; every pair is asked in both orders.

    `template` v1: Image 1, Image 2, or equally good, of any version; v2: each image's share of alignment,
    coherence and style, of UnifiedReward-2.0, of which `axis` chooses one or the mean; think: an answer after
    thoughts, of UnifiedReward-Think by Qwen3-VL or Qwen3.5; think-v1: of its earlier models by Qwen2.5-VL and
    LLaVA. `degree`: how many others an image meets in a group above eight. Others as for `UnifiedReward`.
    """

    version = version(*(words(f"unifiedreward-pair-{name}") for name in PAIRS))

    def __init__(
        self,
        *,
        template: Pair = "v1",
        axis: Axis = "mean",
        degree: int = 8,
        max_side: int | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        self.template, self.axis, self.degree = _known(template, PAIRS), axis, check_degree(degree)
        self.max_side = check_side(max_side)
        _check_axis(template, axis)
        self.asker = ask_for_words(connection)

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """As any pairwise ranker does; details also say which model judged."""
        return told(super().rank(groups), self.asker)

    def compare(
        self, firsts: Sequence[Image.Image], seconds: Sequence[Image.Image], prompts: Sequence[str]
    ) -> list[Scored]:
        """P(first is better) for every ordered pair; NaN with ``error`` where none was told."""
        encoded, name = EncodedImages(self.max_side), f"unifiedreward-pair-{self.template}"
        asked = [
            Written(
                "",
                (encoded[first], encoded[second], words(name, prompt=prompt)),
                PAIRS[self.template],
                "verdict",
            )
            for first, second, prompt in zip(firsts, seconds, prompts, strict=True)
        ]
        found = []
        for question, verdict in zip(asked, self.asker.verdicts(asked), strict=True):
            said, details = question.said(verdict), {"tokens": verdict.tokens}
            found.append(
                abstention(verdict, details)
                if said is None
                else Scored(_of(said, self.axis), details=details)
            )
        return found


def _of(said: dict[str, float], axis: str) -> float:
    return said[axis] if axis in said else math.fsum(said.values()) / len(said)


def _known(template: str, templates: dict[str, Numbers]) -> str:
    if template not in templates:
        raise BadOption(f"template={template} is not one of {', '.join(templates)}")
    return template


def _check_axis(template: str, axis: str) -> None:
    if axis not in ("mean", *numbers.AXES):
        raise BadOption(f"axis={axis} is not one of mean, {', '.join(numbers.AXES)}")
    if axis != "mean" and template != "v2":
        raise BadOption(f"axis={axis} is for template=v2, which tells axes; template={template} does not")
