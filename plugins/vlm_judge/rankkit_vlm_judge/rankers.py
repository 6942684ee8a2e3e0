"""The two rankers: `VlmJudge` compares two images, `Vqa` asks whether one shows its prompt."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image
from typing_extensions import Unpack

from rankkit import Group, Pairwise, Pointwise, Ranking, Scored
from rankkit.errors import BadOption
from rankkit_vlm_judge import questions
from rankkit_vlm_judge.asking import told
from rankkit_vlm_judge.connect import connect
from rankkit_vlm_judge.images import EncodedImages
from rankkit_vlm_judge.options import ConnectionOptions, check_degree, check_side
from rankkit_vlm_judge.replies import Judgement


class VlmJudge(Pairwise):
    """Which of two images is better, by the log-probabilities of a vision-language model's answer A or B.

    Every pair is asked in both orders. `criteria` replaces the text that says what better means;
    `max_side` is the longer side in pixels that images are scaled down to; `degree`: how many others an
    image meets in a group above eight; `repeat`: the share of pairs that are asked once more, which tells how
    often the judge agrees with itself. All other options say which model is asked and how: see
    `ConnectionOptions`.
    """

    version = questions.version()

    def __init__(
        self,
        *,
        criteria: str | None = None,
        max_side: int = 768,
        degree: int = 8,
        repeat: float = 0.0,
        **connection: Unpack[ConnectionOptions],
    ) -> None:
        if not 0 <= repeat <= 1:
            raise BadOption(f"repeat={repeat} is not a share of pairs between 0 and 1, as 0.05")
        self.degree, self.repeat = check_degree(degree), repeat
        self.criteria = criteria or questions.CRITERIA
        self.max_side = check_side(max_side)
        self.asker = connect(**connection)

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """As any pairwise ranker does; details also say which model judged, and in which mode."""
        return told(super().rank(groups), self.asker)

    def compare(
        self, firsts: Sequence[Image.Image], seconds: Sequence[Image.Image], prompts: Sequence[str]
    ) -> list[Scored]:
        """P(first is better) for every ordered pair.

        NaN with ``error`` and ``failure`` (its kind) where there is no verdict.
        """
        encoded = EncodedImages(self.max_side)
        asked = [
            questions.which_is_better(prompt, encoded[first], encoded[second], self.criteria)
            for first, second, prompt in zip(firsts, seconds, prompts, strict=True)
        ]
        verdicts = self.asker.verdicts(asked)
        drawn = [k for k, question in enumerate(asked) if question.place < self.repeat]
        repeated = self.asker.verdicts([asked[k] for k in drawn], again=True)
        again = dict(zip(drawn, repeated, strict=True))
        return [_scored(verdict, again.get(k)) for k, verdict in enumerate(verdicts)]


class Vqa(Pointwise):
    """P("Yes") of a vision-language model asked whether an image shows its prompt, in [0, 1].

    P(Yes) / (P(Yes) + P(No)) of the first token (as VQAScore, Lin et al. 2024, arXiv 2404.01291, but
    renormalised over the two answers); 1 or 0 in text mode. `max_side` and all other options are those of
    `VlmJudge`.
    """

    version = questions.version()

    def __init__(self, *, max_side: int = 768, **connection: Unpack[ConnectionOptions]) -> None:
        self.max_side = check_side(max_side)
        self.asker = connect(**connection)

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[Scored]:
        """P(yes) for every image; NaN with ``error`` and ``failure`` where there is no verdict."""
        encoded = EncodedImages(self.max_side)
        asked = [
            questions.does_it_show(prompt, encoded[image])
            for image, prompt in zip(images, prompts, strict=True)
        ]
        scores = [_scored(verdict) for verdict in self.asker.verdicts(asked)]
        return [replace(each, details={**each.details, **self.asker.whom}) for each in scores]


def _scored(verdict: Judgement, again: Judgement | None = None) -> Scored:
    """A verdict as rankkit takes it, with that of the same question asked once more."""
    details: dict[str, object] = {"tokens": verdict.tokens}
    if again is not None:
        details["tokens"] = verdict.tokens + again.tokens
        if again.outcome == "ok":
            details["again"] = again.p
    if verdict.outcome == "ok":
        return Scored(verdict.p, details={**details, "answer_mass": verdict.mass})
    return Scored(
        math.nan,
        details={**details, "error": f"{verdict.outcome}: {verdict.error}", "failure": verdict.outcome},
    )
