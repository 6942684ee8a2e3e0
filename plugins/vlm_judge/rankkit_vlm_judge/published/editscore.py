"""EditScore (Luo et al. 2025, arXiv 2509.23909): how well an edited image follows an instruction.

The model writes two pairs of scores from 0 to 25: for how the second of two images follows the instruction
that the first was edited by, and how little else it changes; for how natural it looks, and how clean.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from PIL import Image
from typing_extensions import Unpack

from rankkit import Pointwise, Scored
from rankkit.errors import BadOption
from rankkit.plugin import Decoded, image_option, images_of
from rankkit_vlm_judge.images import EncodedImage, EncodedImages
from rankkit_vlm_judge.options import Connection, check_side
from rankkit_vlm_judge.published.asking import abstention, ask_for_words, version
from rankkit_vlm_judge.published.questions import Written
from rankkit_vlm_judge.published.words import words
from rankkit_vlm_judge.replies import Judgement

RANGE = 25  # the highest score that the words ask for
KEY = "source"  # of the metadata
TEMPLATES = {"qwen3": "editscore", "qwen2.5": "editscore", "unifiedreward": "unifiedreward-edit"}
PARTS = ("following", "quality")
NO_SOURCE = (
    "editscore compares with the image before the edit, and none is named: give metadata with source=PATH "
    "(a column of --prompts), or editscore:original=PATH for all"
)


class EditScore(Pointwise):
    """How well an image is its source edited as the prompt says, 0 to 10, as EditScore writes it.

    √(min(following, rest kept) · min(natural, clean)). The source is the image or path `source` in an image's
    metadata, else the file `original`; where there is neither, the image abstains. Relative paths in metadata
    start at `folder`, else at the current folder, and with a `folder` nothing outside of it is read.
    `template`: qwen3, of EditScore by Qwen3-VL; qwen2.5, of its first models, where images are numbered;
    unifiedreward, of UnifiedReward-Edit. `max_side`: the longer side that images are scaled down to.
    """

    metadata_images: ClassVar[tuple[str, ...]] = (KEY,)

    def __init__(
        self,
        *,
        template: Literal["qwen3", "qwen2.5", "unifiedreward"] = "qwen3",
        original: str = "",
        folder: str = "",
        max_side: int | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        if template not in TEMPLATES:
            raise BadOption(f"template={template} is not one of {', '.join(TEMPLATES)}")
        image_option("original", original)
        self.template, self.original, self.folder = template, original, folder
        self.max_side = check_side(max_side)
        self.asker = ask_for_words(connection)

    @classmethod
    def version(cls, *, original: str = "", **_: Any) -> str:
        """Of the questions, and of the source that is an option."""
        asked = version(
            *(words(f"{name}-{part}") for name in dict.fromkeys(TEMPLATES.values()) for part in PARTS)
        )
        source = image_option("original", original)
        return asked + (f"+sha256:{hashlib.sha256(source.tobytes()).hexdigest()[:12]}" if source else "")

    def score(
        self, images: Sequence[Image.Image], prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> list[Scored]:
        """The score of every image, with all four of its parts in the details."""
        encoded, sources = EncodedImages(self.max_side), self._sources(metadata)
        asked = [
            () if isinstance(source, str) else self._questions(prompt, encoded[source], encoded[image])
            for image, prompt, source in zip(images, prompts, sources, strict=True)
        ]
        verdicts = iter(self.asker.verdicts([question for each in asked for question in each]))
        return [
            Scored(math.nan, details={"error": source})
            if isinstance(source, str)
            else self._scored(questions, [next(verdicts) for _ in questions])
            for source, questions in zip(sources, asked, strict=True)
        ]

    def _sources(self, metadata: Sequence[Mapping[str, Any]]) -> list[Image.Image | str]:
        """The image before the edit of each; or why there is none."""

        def see(source: Decoded) -> Image.Image | str:
            return source.image or f"source {source.error}"

        found = images_of(metadata, KEY, see, usual=self.original, folder=self.folder)
        return [each or NO_SOURCE for each in found]

    def _questions(self, instruction: str, source: EncodedImage, edited: EncodedImage) -> tuple[Written, ...]:
        """How the instruction was followed, by both images, and how the edited one looks by itself."""
        name = TEMPLATES[self.template]
        following, quality = (words(f"{name}-{part}", instruction=instruction) for part in PARTS)
        numbered = ("<img1>: ", "<img2>: ") if self.template == "qwen2.5" else ("", "")
        both = [part for pair in zip(numbered, (source, edited), strict=True) for part in pair if part]
        alone = [part for part in (numbered[0], edited) if part]
        return (
            Written("", (*both, following), _pair("following", "kept")),
            Written("", (*alone, quality), _pair("natural", "clean")),
        )

    def _scored(self, questions: Sequence[Written], verdicts: Sequence[Judgement]) -> Scored:
        details = {"tokens": sum(each.tokens for each in verdicts), **self.asker.whom}
        parts: dict[str, float] = {}
        for question, verdict in zip(questions, verdicts, strict=True):
            said = question.said(verdict)
            if said is None:
                return abstention(verdict, details)
            parts |= {name: 10 * value / RANGE for name, value in said.items()}
        followed, looks = min(parts["following"], parts["kept"]), min(parts["natural"], parts["clean"])
        return Scored(math.sqrt(followed * looks), details={**details, **parts})


def two_scores(text: str) -> tuple[float, float] | None:
    """The only ``"score" : [a, b]`` of a reply, both from 0 to 25.

    >>> two_scores('{"reasoning" : "the "sky" is red", "score" : [20, 12.5]}'), two_scores('"score": [30, 1]')
    ((20.0, 12.5), None)
    """
    found = re.findall(r'"score"\s*:\s*\[([^\]]*)\]', text)
    if len(found) != 1:
        return None
    told = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*", found[0])
    if told is None or max(map(float, told.groups())) > RANGE:
        return None
    return float(told[1]), float(told[2])


def _pair(first: str, second: str) -> Callable[[str], dict[str, float] | None]:
    """What reads two scores under two names."""

    def read(text: str) -> dict[str, float] | None:
        found = two_scores(text)
        return {first: found[0], second: found[1]} if found else None

    return read
