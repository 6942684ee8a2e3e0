"""Text files beside the images: ``cat.txt``, ``cat.caption``, ``cat.json``, SwarmUI's ``cat.swarm.json`` for
``cat.png``, also ``cat.png.txt``, in any case.
"""

from __future__ import annotations

import contextlib
import functools
import os
import unicodedata
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from rankkit.errors import BadSource
from rankkit.io.prompts.base import Answer, Place, Root, Source, is_image
from rankkit.io.prompts.reading.columns import answer_of, image_columns, prompt_column
from rankkit.io.prompts.reading.texts import answer_in_file, answer_of_found, in_json, read_text
from rankkit.io.prompts.syntax import plain_words
from rankkit.io.tables import read_object, too_deep

NAME = "text files beside the images"
SUFFIXES = (".txt", ".caption", ".json", ".swarm.json")
# JSON of services: the object that holds the prompt, what stands beside it, whether it is a generator's.
SERVICES = (("meta", {"id", "url"}, True), ("input", {"id", "output"}, False))  # Civitai's, Replicate's
POST = {"category", "subcategory"}  # what gallery-dl notes of a post on any site


def find(root: Root) -> Source | None:
    """The images below, each with the text of its sidecar file as the prompt."""

    @functools.lru_cache(maxsize=16)
    def names_in(folder: str) -> tuple[dict[str, list[str]], set[str]]:
        """The text files of a folder by what they may be called, and what its images are called."""
        texts = defaultdict[str, list[str]](list)
        images = set[str]()
        with contextlib.suppress(OSError):
            for name in os.listdir(folder or os.curdir):
                if name.lower().endswith(SUFFIXES):
                    texts[_key(name)].append(name)
                elif is_image(name):
                    images.add(os.path.splitext(name)[0])
        return texts, images

    def text_of(folder: str, stem: str, suffix: str) -> str | None:
        """The text file called so; in another case or normal form, where it is the only one and that of no
        other image.
        """
        texts, images = names_in(folder)
        found = texts.get(_key(stem + suffix), [])
        if stem + suffix in found:
            return stem + suffix
        own = found[0][: -len(suffix)] if len(found) == 1 else None
        return found[0] if own is not None and (own == stem or own not in images) else None

    def knows(place: Place) -> Answer | None:
        folder, name = os.path.split(root.locate(place))
        if not names_in(folder)[0]:
            return None
        found = [
            (file, answer)
            for stem in (os.path.splitext(name)[0], name)
            for suffix in SUFFIXES
            if (file := text_of(folder, stem, suffix)) is not None
            and (answer := _answer(os.path.join(folder, file))) is not None
        ]
        told = [each for each in found if each[1].texts]
        return _with_others(told) if told else found[0][1] if found else None

    return Source(NAME, knows=knows)


def _with_others(told: list[tuple[str, Answer]]) -> Answer:
    """The prompts of the first file, and what the others say that those do not."""
    (_, used), *others = told
    known = {plain_words(text) for text in used.texts}
    beside = [(file, plain_words(answer.texts[0])) for file, answer in others]
    return replace(used, beside=tuple(each for each in beside if each[1] not in known)) if others else used


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _answer(path: str) -> Answer | None:
    if not path.lower().endswith(".json"):
        return answer_in_file(path)
    try:
        record = read_object(Path(path))
    except (BadSource, OSError):
        return None  # a list, or a file of some other use
    name = os.path.basename(path)
    if too_deep(record):
        return Answer(why=f"{name} is nested too deeply to be read")
    if record.keys() >= POST:
        return Answer(why=f"{name} tells of a post (gallery-dl), and its texts are no prompts")
    for inside, beside, syntax in SERVICES:
        if record.keys() >= beside and isinstance(own := record.get(inside), dict) and "prompt" in own:
            given = next((column for column in image_columns(own) if own[column]), None)
            if given:
                return Answer(why=f"its prompt may be an instruction to edit {given!r}")
            return replace(answer_of(own), syntax=syntax)
    known = prompt_column(record) is not None
    if known and image_columns(record):
        return None
    answer = answer_of(record) if known else None
    if answer is None or not answer.texts:
        found = in_json(read_text(path)[0])
        return answer_of_found(found) if found is not None else answer
    return answer
