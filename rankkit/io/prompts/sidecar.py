"""Text files beside the images: ``cat.txt``, ``cat.caption`` or ``cat.json`` for ``cat.png``, also
``cat.png.txt``, in any case.
"""

from __future__ import annotations

import contextlib
import functools
import os
import unicodedata
from collections import defaultdict
from pathlib import Path

from rankkit.errors import BadSource
from rankkit.io.prompts.base import Answer, Place, Root, Source, is_image
from rankkit.io.prompts.reading.columns import answer_of, image_columns, prompt_column
from rankkit.io.prompts.reading.texts import answer_in_file
from rankkit.io.tables import read_object, too_deep

NAME = "text files beside the images"
SUFFIXES = (".txt", ".caption", ".json")


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
        own = os.path.splitext(found[0])[0] if len(found) == 1 else None
        return found[0] if own is not None and (own == stem or own not in images) else None

    def knows(place: Place) -> Answer | None:
        folder, name = os.path.split(root.locate(place))
        if not names_in(folder)[0]:
            return None
        first = None
        for stem in (os.path.splitext(name)[0], name):
            for suffix in SUFFIXES:
                found = text_of(folder, stem, suffix)
                answer = _answer(os.path.join(folder, found)) if found else None
                if answer is not None and answer.texts:
                    return answer
                first = first or answer
        return first

    return Source(NAME, knows=knows)


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


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
