"""``POST /score``: images in JSON, and their scores.

What is wrong with the question as a whole is refused in one line; an image that cannot be decoded has no
score and an error, as everywhere else.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, NoReturn

from PIL import Image

from rankkit.core.calling import Listed, grouped
from rankkit.core.images import decode
from rankkit.core.types import Kind, Ranking, ranks
from rankkit.errors import UsageError
from rankkit.io.records import once
from rankkit.serving.access import Refused

IMAGES = 1024  # of one question


@dataclass(frozen=True, slots=True)
class Question:
    """Images to be scored, with what they were made for. Images of one prompt are one group."""

    images: Annotated[list[str], f"image files in base64, or as data: URLs; {IMAGES} at most"]
    prompts: Annotated[list[str] | str | None, "one prompt for all images, or one per image"] = None
    metadata: Annotated[
        list[dict[str, Any] | None] | dict[str, Any] | None,
        "what the prompts came with, such as GenEval clauses: one object for all images, or one per image",
    ] = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Scores, ranks and errors: one each per image, in the order of the question."""

    scores: Annotated[list[float | None], "higher is better; null where the ranker abstained"]
    ranks: Annotated[list[float | None], "1 is best among the images of one prompt, ties share their mean"]
    errors: Annotated[list[str | None], "why there is no score; null where there is one"]
    ranker: Annotated[str, "the ranker's name, without options"]
    version: Annotated[str, "the version of the ranker, as rows state it"]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as groups."""

    listed: Listed
    prompts: list[str]

    @property
    def size(self) -> int:
        """The bytes of its pixels."""
        return sum(3 * image.width * image.height for group in self.listed.groups for image in group.images)

    def answer(self, rankings: Sequence[Ranking], ranker: str, version: str) -> Answer:
        """The answer, of one ranking per group."""
        scores, errors = self.listed.scores(rankings)
        ranked = [math.nan] * len(scores)
        places_of: dict[str, list[int]] = {}
        for place, prompt in enumerate(self.prompts):
            places_of.setdefault(prompt, []).append(place)
        for places in places_of.values():
            for place, rank in zip(places, ranks([scores[place] for place in places]), strict=True):
                ranked[place] = rank
        return Answer(_or_null(scores), _or_null(ranked), errors, ranker, version)


def _or_null(numbers: Sequence[float]) -> list[float | None]:
    return [None if math.isnan(number) else number for number in numbers]


def read(body: bytes | bytearray, kind: Kind, needs_prompt: bool, limit: int) -> Asked:
    """The groups of a question to a ranker of this kind.

    `limit`: bytes that the decoded images may take together. Raises `Refused` for anything that is wrong.
    """
    question = _question(body)
    count = len(question.images)
    one_prompt = "" if question.prompts is None else question.prompts
    prompts = _per_image(one_prompt, count, str, "prompts", "a string")
    metadata = _per_image(question.metadata, count, (dict, type(None)), "metadata", "an object")
    if needs_prompt and not all(prompts):
        place = prompts.index("")
        raise Refused(400, f"this ranker needs a prompt for every image, and images[{place}] has none")
    images = _decoded(question.images, limit)
    try:
        return Asked(grouped(images, prompts, metadata, kind), prompts)
    except UsageError as error:
        raise Refused(400, str(error)) from None


def _question(body: bytes | bytearray) -> Question:
    try:
        found = json.loads(body, parse_constant=_no_number, parse_float=_finite, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is not JSON: {error}") from None
    names = [field.name for field in fields(Question)]
    if not isinstance(found, dict):
        raise Refused(400, f"the body is {type(found).__name__}; send an object with {', '.join(names)}")
    if strange := [name for name in found if name not in names]:
        raise Refused(400, f"{strange[0][:80]!r} is nothing that is asked for; there are {', '.join(names)}")
    images = found.get("images")
    if not isinstance(images, list) or not images or not all(isinstance(each, str) for each in images):
        raise Refused(400, "images is a list of one or more strings, each an image file in base64")
    if len(images) > IMAGES:
        raise Refused(413, f"{len(images)} images are more than the {IMAGES} of one question; send fewer")
    return Question(**found)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no number in JSON")


def _finite(text: str) -> float:
    return number if math.isfinite(number := float(text)) else _no_number(text)


def _per_image(given: Any, count: int, kind: Any, name: str, what: str) -> list[Any]:
    """One value per image, of one for all or of a list."""
    values: list[Any] = given if isinstance(given, list) else [given] * count
    if len(values) != count:
        raise Refused(
            400, f"{name} has {len(values)} entries for {count} images; give one each, or one for all"
        )
    for place, each in enumerate(values):
        if not isinstance(each, kind):
            raise Refused(400, f"{name}[{place}] is {type(each).__name__}, not {what}")
    return values


def _decoded(texts: Sequence[str], limit: int) -> list[Image.Image | str]:
    """The images, and in place of those that cannot be decoded the reason."""
    images: list[Image.Image | str] = []
    size = 0
    for place, text in enumerate(texts):
        found = decode(_bytes(text, place))
        images.append(found.image or found.error or "cannot be decoded")
        size += 3 * found.image.width * found.image.height if found.image else 0
        if size > limit:
            raise Refused(
                413, f"the images are more than {limit} bytes of pixels together; send fewer at a time"
            )
    return images


def _bytes(text: str, place: int) -> bytes:
    if text.startswith("data:"):
        head, _, text = text.partition(",")
        if not head.endswith(";base64"):
            raise Refused(400, f"images[{place}] is a data: URL that is not in base64")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"images[{place}] is not base64: {error}") from None
