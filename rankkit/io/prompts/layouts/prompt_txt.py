"""One folder per prompt, which holds the images and their ``prompt.txt``; or a list of prompts, by number."""

from __future__ import annotations

import functools
import os
import re

from rankkit.io.prompts.base import Answer, Place, Root, Source, is_image, natural
from rankkit.io.prompts.reading.line_lists import prompt_lines, why_no_list
from rankkit.io.prompts.reading.order import why_labelled, why_not, why_other, why_uncounted, without_sheets
from rankkit.io.prompts.reading.texts import answer_in_file, read_text

NAME = "one prompt.txt per folder"
NAMES = ("prompt.txt", "prompts.txt")
COMMENT = re.compile(r"^#.*$", re.MULTILINE)  # what these trainers do not count among the prompts
NUMBERED = (  # the number of the prompt in the names of a trainer's samples
    re.compile(r"(?:.*_)?e?\d{6}_(\d+)_\d{14}.*"),  # kohya, musubi: epoch or step, number, time
    re.compile(r"\d{13}__\d{9}_(\d+)\.\w+"),  # ai-toolkit: time, step, number
)


def find(root: Root) -> Source | None:
    """Each folder with a prompt.txt is a group of its own; one of many lines has a prompt for each image."""
    if root.files or not root.path.is_dir():
        return None

    @functools.lru_cache(maxsize=16)
    def answers_of(folder: str) -> dict[str, Answer] | Answer | None:
        return _answers(os.path.join(root.path, folder))

    def knows(place: Place) -> Answer | None:
        folder, _, name = place.relative.rpartition("/")
        found = answers_of(folder)
        if isinstance(found, dict):
            return found.get(name, Answer(why="prompt.txt is a list without its number"))
        if found is None or not found.texts:
            return found
        return Answer(found.texts, metadata=found.metadata, group=folder or None, syntax=found.syntax)

    return Source(NAME, knows=knows)


def _answers(folder: str) -> dict[str, Answer] | Answer | None:
    paths = [os.path.join(folder, name) for name in NAMES]
    path = next(filter(os.path.lexists, paths), None)
    if path is None:
        return None
    answer = answer_in_file(path)
    text, _ = read_text(path)
    if len(answer.texts) < 2:
        return Answer(answer.texts[:1], answer.why, syntax=answer.syntax)
    return _by_number(path, text)


def _by_number(path: str, text: str) -> dict[str, Answer] | Answer:
    """The prompts of a list by the number in a trainer's names, else one for each image in natural order."""
    listed, prompts = os.path.basename(path), prompt_lines(text)
    if why := why_no_list(text):
        return Answer(why=f"{listed}: {why}")
    here = os.listdir(os.path.dirname(path) or os.curdir)
    names = without_sheets(name for name in here if is_image(name) and not name.startswith("."))
    for pattern in NUMBERED:
        numbers = [pattern.fullmatch(name) for name in names]
        if names and all(numbers):
            by_name = {name: int(found[1]) for name, found in zip(names, numbers, strict=True) if found}
            prompts = prompt_lines(COMMENT.sub("", text))
            return {name: Answer((prompts[i],)) for name, i in by_name.items() if i < len(prompts)}
    if len(names) != len(prompts):
        return Answer(why=f"{listed} is a list of {len(prompts)} prompts, and there are {len(names)} images")
    if not prompts[-1].endswith(",") and all(prompt.endswith(",") for prompt in prompts[:-1]):
        return Answer(why=f"{listed}: its lines end in a comma but for the last, so it may be one prompt")
    names = sorted(names, key=natural)
    if why := why_labelled(names, prompts):
        return Answer(why=f"{listed}: {why}")
    if why := why_not(names) or why_uncounted(names) or why_other(names, prompts):
        return Answer(why=f"{listed} is a list, and its order is not that of the images: {why}")
    return {name: Answer((prompt,)) for name, prompt in zip(names, prompts, strict=True)}
