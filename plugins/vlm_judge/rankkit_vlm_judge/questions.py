"""What a vision-language model is asked: a question about one or two images that two words can answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from rankkit_vlm_judge.images import EncodedImage

Labels = tuple[str, str]

CRITERIA = """\
1. Faithfulness: does it show what the caption asks for - the objects, how many, \
their colours, how they relate, any text?
2. Soundness: is it free of artefacts, of broken anatomy and of impossible structure?
3. Looks: composition, lighting, detail.
An earlier criterion outweighs the later ones."""

JUDGE = """\
You are an impartial judge of pictures made from a caption. You are shown two of them, Image A and Image B, \
and say which is better.
{criteria}
Which picture is shown first, and its size, carry no information. There is no tie: choose the better one, \
however small the difference."""

VIEWER = "You look at a picture and say truthfully whether it shows what a caption describes."

FORCED = "Answer with exactly one {noun}, {first} or {second}."
REASONED = (
    "Say in at most three sentences what decides it. Then end with a line that holds only: Answer: "
    "{first}   or   Answer: {second}"
)
TERSE = "Do not explain. Your whole answer is one {noun}: {first} or {second}."

Part = str | EncodedImage


@dataclass(frozen=True)
class Asked:
    """What a model is shown: a system text, none where it is empty; parts of text and images in order."""

    system: str
    parts: tuple[Part, ...]

    @property
    def answers(self) -> tuple[tuple[str, ...], ...]:
        """First tokens of an answer whose log-probabilities are asked for.

        Of each inner tuple, ways to say the same, at least one is a token.
        """
        return ()

    @property
    def cut(self) -> bool:
        """Whether an answer of several tokens counts by the first of them."""
        return False

    def ending(self, form: str) -> str:
        """What is said after the parts, in this form; nothing where it is empty."""
        return ""

    def images(self) -> Iterator[EncodedImage]:
        """The images, in the order shown."""
        return (part for part in self.parts if isinstance(part, EncodedImage))

    @property
    def place(self) -> float:
        """A number in [0, 1) that is this pair's own, whichever image is shown first."""
        texts = [part for part in self.parts if isinstance(part, str)]
        said = json.dumps([*texts, *sorted(image.sha256 for image in self.images())])
        return int(hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:12], 16) / 16**12

    @cached_property
    def content(self) -> list[object]:
        """Everything that is asked, as JSON can hold it; images by the hash of the bytes that are sent."""
        parts = [{"sha256": part.sha256} if isinstance(part, EncodedImage) else part for part in self.parts]
        return [self.system, parts]


@dataclass(frozen=True)
class Question(Asked):
    """A question of our own, which two labels can answer.

    The first label means yes, or the first image.
    """

    labels: Labels
    noun: str

    @property
    def answers(self) -> tuple[tuple[str, ...], ...]:
        """Both labels, as they may be written."""
        return tuple(variants(label) for label in self.labels)

    def ending(self, form: str) -> str:
        """How the answer is to be given: `FORCED`, `REASONED` or `TERSE` with this question's labels."""
        return form.format(noun=self.noun, first=self.labels[0], second=self.labels[1])

    @cached_property
    def content(self) -> list[object]:
        """As for any, with the labels and every way in which the answer may be asked for."""
        return [
            *super().content,
            list(self.labels),
            [self.ending(form) for form in (FORCED, REASONED, TERSE)],
        ]


def variants(label: str) -> tuple[str, ...]:
    """The tokens that count as a label: as it is, in small letters, and either after a space."""
    return tuple(dict.fromkeys((label, label.lower(), f" {label}", f" {label.lower()}")))


def which_is_better(
    caption: str, first: EncodedImage, second: EncodedImage, criteria: str = CRITERIA
) -> Question:
    """Which of two images of one caption is better: A is the first.

    The caption precedes the images, so that servers can cache the prefix.
    """
    parts = (f"Caption: {caption}\n\nImage A:", first, "Image B:", second, "Which picture is better?")
    return Question(JUDGE.format(criteria=criteria), parts, ("A", "B"), "letter")


def does_it_show(caption: str, image: EncodedImage) -> Question:
    """Whether an image shows what a caption says."""
    parts = (image, f"Caption: {caption}\n\nDoes this picture show what the caption describes, completely?")
    return Question(VIEWER, parts, ("Yes", "No"), "word")


def version() -> str:
    """Eight hex digits that change with the wording of the questions: part of a ranker's version."""
    wording = json.dumps([CRITERIA, JUDGE, VIEWER, FORCED, REASONED, TERSE])
    return "questions." + hashlib.sha256(wording.encode()).hexdigest()[:8]
