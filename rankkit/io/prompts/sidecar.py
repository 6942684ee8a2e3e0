"""Text files beside the images: ``cat.txt``, ``cat.caption`` or ``cat.json`` for ``cat.png``, also
``cat.png.txt``, in any case.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from rankkit.errors import BadSource
from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.reading.columns import answer_of, image_columns, prompt_column
from rankkit.io.prompts.reading.texts import answer_in_file
from rankkit.io.tables import read_object, too_deep

NAME = "text files beside the images"
SUFFIXES = (".txt", ".caption", ".json")


def find(root: Root) -> Source | None:
    """The images below, each with the text of its sidecar file as the prompt."""

    @functools.lru_cache(maxsize=16)
    def names_in(folder: str) -> dict[str, str]:
        try:
            names = os.listdir(folder or os.curdir)
            return {name.lower(): name for name in names if name.lower().endswith(SUFFIXES)}
        except OSError:
            return {}

    def knows(place: Place) -> Answer | None:
        folder, name = os.path.split(root.locate(place))
        names, first = names_in(folder), None
        for stem in (os.path.splitext(name)[0], name):
            for suffix in SUFFIXES:
                found = names.get(f"{stem}{suffix}".lower())
                answer = _answer(os.path.join(folder, found)) if found else None
                if answer is not None and answer.texts:
                    return answer
                first = first or answer
        return first

    return Source(NAME, knows=knows)


def _answer(path: str) -> Answer | None:
    if not path.lower().endswith(".json"):
        return answer_in_file(path)
    try:
        record = read_object(Path(path))
    except (BadSource, OSError):
        return None  # a list, or a file of some other use
    if too_deep(record):
        return Answer(why=f"{os.path.basename(path)} is nested too deeply to be read")
    if prompt_column(record) is None or image_columns(record):
        return None
    return answer_of(record)
