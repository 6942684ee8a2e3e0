"""T2I-CompBench's layout: the prompt in the file name, ``samples/a green bench_000000.png``."""

from __future__ import annotations

import functools
import os
import re

from rankkit.io.prompts.base import Answer, Place, Root, Source, is_image

NAME = "file names in samples/ (T2I-CompBench)"
FOLDER = "samples"
PROMPT = re.compile(r"(\S.*\s.*\S)_0\d{5}\.\w+")  # a number, which a date (202401) is not


def find(root: Root) -> Source | None:
    """The images of folders called `samples` in which every name is a prompt of words and a six-digit number;
    one other name, and none of the folder's is taken for a prompt.
    """
    if root.files or not root.path.is_dir():
        return None

    @functools.lru_cache(maxsize=16)
    def holds_prompts(folder: str) -> bool:
        path = os.path.abspath(root.path / folder)
        if os.path.basename(path) != FOLDER:
            return False
        try:
            names = [name for name in os.listdir(path) if is_image(name)]
        except OSError:  # a table may name images in a folder that is not there
            return False
        return all(PROMPT.fullmatch(name) for name in names)

    def knows(place: Place) -> Answer | None:
        folder, _, name = place.relative.rpartition("/")
        found = PROMPT.fullmatch(name) if holds_prompts(folder) else None
        return Answer((found[1],)) if found else None

    return Source(NAME, knows=knows)
