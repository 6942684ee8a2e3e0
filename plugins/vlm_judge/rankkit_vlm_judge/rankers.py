"""The two rankers. Their options say whom to ask (a server or a model here), how, how often, and where
answers are kept.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from rankkit import Group, Pairwise, Pointwise, Ranking, Scored
from rankkit.errors import BadOption
from rankkit_vlm_judge import questions
from rankkit_vlm_judge.asking import Mode
from rankkit_vlm_judge.connect import USUAL, connect
from rankkit_vlm_judge.pictures import Picture
from rankkit_vlm_judge.replies import Verdict


class VlmJudge(Pairwise):
    """Which of two pictures is better, by the log-probabilities of a vision-language model's answer A or B.

    With `url` (of any OpenAI-compatible server) the model is asked there, else it is loaded here. Every pair
    is asked in both seats. `mode`: logprob, text, or auto (log-probabilities, and text where the model would
    rather say something else). `criteria` replaces the text that says what better means; `max_side` is the
    longer side in pixels that pictures are scaled to. `cache` is the file that keeps every answer (usual: the
    user's cache folder; none: for this run only). `max_calls` and `max_tokens` end the run when they are
    reached; what was judged is kept. `concurrency` requests are under way at once, each for at most `timeout`
    seconds and tried `tries` times, with growing random pauses from `backoff` seconds on. A server that goes
    away is waited for, `patience` seconds at most. `api_key_env` names the environment variable that holds
    the key. `degree`: how many others a picture meets in a group above eight. `device`, `dtype` and
    `batch_size` are for a model loaded here.
    """

    version = questions.version()

    def __init__(
        self,
        *,
        url: str | None = None,
        model: str | None = None,
        mode: Mode = "auto",
        criteria: str | None = None,
        max_side: int = 768,
        degree: int = 8,
        cache: str | None = USUAL,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        concurrency: int = 16,
        timeout: float = 60.0,
        tries: int = 6,
        backoff: float = 0.5,
        patience: float = 120.0,
        api_key_env: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 8,
    ) -> None:
        if degree < 2 or degree % 2:
            raise BadOption(f"degree={degree} is not an even number from 2 on")
        self.degree = degree
        self.criteria = criteria or questions.CRITERIA
        self.max_side = _side(max_side)
        self.asker = connect(
            url=url,
            model=model,
            mode=mode,
            cache=cache,
            max_calls=max_calls,
            max_tokens=max_tokens,
            concurrency=concurrency,
            timeout=timeout,
            tries=tries,
            backoff=backoff,
            patience=patience,
            api_key_env=api_key_env,
            device=device,
            dtype=dtype,
            batch_size=batch_size,
        )

    def rank(self, groups: Sequence[Group], /) -> list[Ranking]:
        """As any pairwise ranker does; each picture's details also say which model judged it, and what it was
        asked for.
        """
        found = super().rank(groups)
        return [
            replace(each, details=tuple({**told, **self.asker.whom} for told in each.details))
            for each in found
        ]

    def compare(
        self, firsts: Sequence[Image.Image], seconds: Sequence[Image.Image], prompts: Sequence[str]
    ) -> list[Scored]:
        """P(first is better) for every ordered pair;
        NaN with ``error`` and ``failure`` (its kind) where there is no verdict.
        """
        pictures = _Pictures(self.max_side)
        asked = [
            questions.which_is_better(prompt, pictures[first], pictures[second], self.criteria)
            for first, second, prompt in zip(firsts, seconds, prompts, strict=True)
        ]
        return [_scored(verdict) for verdict in self.asker.verdicts(asked)]


class Vqa(Pointwise):
    """The probability that a vision-language model answers "Yes" to whether the picture shows its prompt, in
    [0, 1].

    P(Yes) / (P(Yes) + P(No)) of the first token (as VQAScore, Lin et al. 2024, arXiv 2404.01291, but
    renormalised over the two answers); 1 or 0 in text mode. The options are those of `VlmJudge`.
    """

    version = questions.version()

    def __init__(
        self,
        *,
        url: str | None = None,
        model: str | None = None,
        mode: Mode = "auto",
        max_side: int = 768,
        cache: str | None = USUAL,
        max_calls: int | None = None,
        max_tokens: int | None = None,
        concurrency: int = 16,
        timeout: float = 60.0,
        tries: int = 6,
        backoff: float = 0.5,
        patience: float = 120.0,
        api_key_env: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int = 8,
    ) -> None:
        self.max_side = _side(max_side)
        self.asker = connect(
            url=url,
            model=model,
            mode=mode,
            cache=cache,
            max_calls=max_calls,
            max_tokens=max_tokens,
            concurrency=concurrency,
            timeout=timeout,
            tries=tries,
            backoff=backoff,
            patience=patience,
            api_key_env=api_key_env,
            device=device,
            dtype=dtype,
            batch_size=batch_size,
        )

    def score(self, images: Sequence[Image.Image], prompts: Sequence[str]) -> list[Scored]:
        """P(yes) for every picture; NaN with ``error`` and ``failure`` where there is no verdict."""
        pictures = _Pictures(self.max_side)
        asked = [
            questions.does_it_show(prompt, pictures[image])
            for image, prompt in zip(images, prompts, strict=True)
        ]
        scores = [_scored(verdict) for verdict in self.asker.verdicts(asked)]
        return [replace(each, details={**each.details, **self.asker.whom}) for each in scores]


class _Pictures(dict[int, Picture]):
    """The picture to send of each image, made once per call however many pairs the image is in."""

    def __init__(self, side: int) -> None:
        super().__init__()
        self.side = side

    def __getitem__(self, image: Image.Image) -> Picture:  # type: ignore[override]
        return self.setdefault(id(image), Picture(image, self.side))


def _scored(verdict: Verdict) -> Scored:
    details: dict[str, object] = {"tokens": verdict.tokens}
    if verdict.outcome == "ok":
        return Scored(verdict.p, details={**details, "answer_mass": verdict.mass})
    return Scored(
        math.nan,
        details={**details, "error": f"{verdict.outcome}: {verdict.error}", "failure": verdict.outcome},
    )


def _side(pixels: int) -> int:
    if pixels < 16:
        raise BadOption(f"max_side={pixels}: pictures cannot be judged at less than 16 pixels")
    return pixels
