"""GenEval 2 (Kamath et al. 2025, arXiv 2512.16853): Soft-TIFA, a question for every atom of a prompt.

Its data (github.com/facebookresearch/GenEval2, CC BY-NC 4.0) is not shipped: a line of geneval2_data.jsonl
holds ``prompt``, ``atom_count``, ``vqa_list`` (pairs of question and answer), ``skills`` (a word for each).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image
from typing_extensions import Unpack

from rankkit import Pointwise, Scored
from rankkit.errors import BadOption
from rankkit.plugin import read_prompts
from rankkit_vlm_judge.images import EncodedImage, EncodedImages
from rankkit_vlm_judge.options import Connection, check_side
from rankkit_vlm_judge.published.asking import abstention, ask_for_probabilities, version
from rankkit_vlm_judge.published.questions import Likely, between
from rankkit_vlm_judge.replies import Judgement

QUESTION = "{} Answer in one word."
COUNTING = "How many"  # how a question begins whose answer is a number
YES = ("Yes", "yes", " yes", " Yes")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
DIGITS = {word: str(number) for number, word in enumerate(NUMBERS, 1)}
HOW = (
    "give the prompts' own data: --prompts geneval2_data.jsonl for one image per prompt in the order of "
    "their names, or geneval2:data=geneval2_data.jsonl, which finds it by each image's prompt"
)


@dataclass(frozen=True)
class Atom:
    """One thing that a prompt asks for: a question about an image, its answer, and the skill it needs."""

    question: str
    answer: str
    skill: str

    def about(self, image: EncodedImage) -> Likely:
        """As Soft-TIFA asks: a number counts in words and in digits, a yes in either case."""
        if not self.question.startswith(COUNTING):
            return Likely("", (image, QUESTION.replace("{}", self.question)), YES, first=True)
        ways = [self.answer, self.answer.capitalize(), *filter(None, [DIGITS.get(self.answer)])]
        spaced = tuple(dict.fromkeys(f"{space}{way}" for way in ways for space in ("", " ")))
        return Likely("", (image, QUESTION.replace("{}", self.question)), spaced, first=True)


class GenEval2(Pointwise):
    """Soft-TIFA: how probably a model's answers about an image are those of its prompt, in [0, 1].

    `mean` over the atoms of a prompt: gm, geometric, tells of the whole prompt; am, arithmetic, of its parts.
    `skill` counts the atoms of one skill only, by their arithmetic mean. The atoms come with the prompt, or
    `data` names a file where they are found by it. The published numbers are by Qwen/Qwen3-VL-8B-Instruct.
    `max_side`: the longer side in pixels that images are scaled down to.
    """

    version = version(QUESTION, *YES, *DIGITS)

    def __init__(
        self,
        *,
        mean: Literal["gm", "am"] = "gm",
        skill: str | None = None,
        data: str | None = None,
        max_side: int | None = None,
        **connection: Unpack[Connection],
    ) -> None:
        if mean not in ("gm", "am"):
            raise BadOption(f"mean={mean} is not one of gm, am")
        self.mean, self.skill, self.max_side = mean, skill, check_side(max_side)
        self.known = dict(read_prompts(data)) if data else {}
        self.asker = ask_for_probabilities(connection)

    def score(
        self, images: Sequence[Image.Image], prompts: Sequence[str], metadata: Sequence[Mapping[str, Any]]
    ) -> list[Scored]:
        """One score per image, with both means, and those of each skill, in its details."""
        encoded = EncodedImages(self.max_side)
        wanted = [self._atoms(prompt, found) for prompt, found in zip(prompts, metadata, strict=True)]
        asked = [
            [] if isinstance(atoms, str) else [atom.about(encoded[image]) for atom in atoms]
            for image, atoms in zip(images, wanted, strict=True)
        ]
        verdicts = iter(self.asker.verdicts([question for each in asked for question in each]))
        return [
            Scored(math.nan, details={"error": atoms})
            if isinstance(atoms, str)
            else self._scored(atoms, [next(verdicts) for _ in atoms])
            for atoms in wanted
        ]

    def _atoms(self, prompt: str, metadata: Mapping[str, Any]) -> list[Atom] | str:
        """What a prompt asks for; or why that is not known."""
        found = metadata if "vqa_list" in metadata else self.known.get(prompt, {})
        try:
            return [each for each in atoms_of(found) if self.skill in (None, each.skill)] or (
                f"no atom of this prompt has the skill {self.skill!r}"
            )
        except ValueError as error:
            return str(error)

    def _scored(self, atoms: Sequence[Atom], verdicts: Sequence[Judgement]) -> Scored:
        details = {"tokens": sum(each.tokens for each in verdicts), **self.asker.whom}
        for verdict in verdicts:
            if verdict.outcome != "ok":
                return abstention(verdict, details)
        least, most = [each.p for each in verdicts], [each.mass for each in verdicts]
        skills = defaultdict(list)
        for atom, p in zip(atoms, least, strict=True):
            skills[atom.skill].append(p)
        told = {
            "am": arithmetic(least),
            "gm": geometric(least),
            "atoms": [[atom.question, atom.answer, p] for atom, p in zip(atoms, least, strict=True)],
            "skills": {skill: arithmetic(values) for skill, values in skills.items() if skill},
        }
        mean = arithmetic if self.mean == "am" or self.skill else geometric
        if mean(most) - mean(least) > 0.01:
            unknown = between(mean(least), mean(most), f"the {self.mean} of the answers")
            return Scored(math.nan, details={**details, **told, **unknown})
        return Scored(mean(least), details={**details, **told})


def atoms_of(metadata: Mapping[str, Any]) -> list[Atom]:
    """The atoms that a prompt's metadata states. Raises ValueError where it states none, or none that can be
    asked for.
    """
    pairs, skills = metadata.get("vqa_list"), metadata.get("skills")
    if not pairs:
        raise ValueError(f"geneval2 needs the atoms of a prompt (vqa_list): {HOW}")
    well = isinstance(pairs, (list, tuple)) and all(
        isinstance(pair, (list, tuple)) and len(pair) == 2 and all(isinstance(each, str) for each in pair)
        for pair in pairs
    )
    if not well:
        raise ValueError(f"vqa_list={str(pairs)[:80]} is no list of pairs of question and answer")
    skills = skills or [""] * len(pairs)
    if not isinstance(skills, (list, tuple)) or len(skills) != len(pairs):
        raise ValueError(f"skills={str(skills)[:80]} does not hold a word for each of {len(pairs)} questions")
    for question, answer in pairs:
        if not question.startswith(COUNTING) and answer not in YES:
            raise ValueError(f"{question!r} has the answer {answer!r}; Soft-TIFA reads Yes, or a number")
    return [
        Atom(question, answer, str(skill)) for (question, answer), skill in zip(pairs, skills, strict=True)
    ]


def arithmetic(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return math.fsum(values) / len(values)


def geometric(values: Sequence[float]) -> float:
    """The geometric mean, 0 where a value is.

    >>> round(geometric([0.5, 0.125]), 6), geometric([0.9, 0.0])
    (0.25, 0.0)
    """
    return math.exp(math.fsum(map(math.log, values)) / len(values)) if all(values) else 0.0
