"""A parallel folder of text files: ``images/a/1.png`` and ``texts/a/1.txt``."""

from __future__ import annotations

import functools
import os
from pathlib import Path

from rankkit.errors import BadSource
from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.reading.texts import answer_in_file

NAME = "a parallel folder of text files"
IMAGE_FOLDERS = ("images", "imgs", "img", "image")
TEXT_FOLDERS = ("prompts", "texts", "text", "captions", "txt")


def find(root: Root) -> Source | None:
    """A folder of images with a text folder beside it, or a folder that holds both."""
    if root.files or not root.path.is_dir():
        return None
    place = root.path.absolute()
    for name in TEXT_FOLDERS:
        if place.name in IMAGE_FOLDERS and os.path.isdir(place.parent / name):
            return Source(NAME, knows=functools.partial(_answer, texts=place.parent / name))
        inner = next((folder for folder in IMAGE_FOLDERS if os.path.isdir(place / folder)), None)
        if inner and os.path.isdir(place / name):
            return Source(NAME, knows=functools.partial(_answer, texts=root.path / name, prefix=f"{inner}/"))
    return None


def beside(root: Root, texts: Path, *, name: str) -> Source:
    """Prompts from the text file of the same relative path, in a folder that the user named.

    Raises `BadSource` where none of its files is called as an image is.
    """
    if not any(_answer(place, texts) for place in root.walk() if not place.error):
        raise BadSource(
            f"{texts}: none of its .txt files is called as an image of {root.label or 'this folder'} is; "
            f"a.png is looked up as {texts / 'a.txt'}"
        )
    return Source(name, knows=functools.partial(_answer, texts=texts))


def _answer(place: Place, texts: Path, prefix: str = "") -> Answer | None:
    if not place.relative.startswith(prefix):
        return None
    path = os.path.join(texts, os.path.splitext(place.relative[len(prefix) :])[0] + ".txt")
    return answer_in_file(path) if os.path.lexists(path) else None
