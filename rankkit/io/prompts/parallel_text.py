"""A parallel folder of text files: ``images/a/1.png`` and ``texts/a/1.txt``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rankkit.io.prompts.base import Entry, Item, Root, labelled, read_text

IMAGE_FOLDERS = ("images", "imgs", "img", "image")
TEXT_FOLDERS = ("prompts", "texts", "text", "captions", "txt")


def find(root: Root) -> Callable[[], Iterator[Item]] | None:
    """A folder of images with a text folder beside it, or a folder that holds both."""
    if root.files or not root.path.is_dir():
        return None
    place = root.path.absolute()
    for name in TEXT_FOLDERS:
        if place.name in IMAGE_FOLDERS and os.path.isdir(place.parent / name):
            return beside(root, place.parent / name)
        inner = next((folder for folder in IMAGE_FOLDERS if os.path.isdir(place / folder)), None)
        if inner and os.path.isdir(place / name):
            return beside(root, root.path / name, below=inner)
    return None


def beside(root: Root, texts: Path, below: str = "") -> Callable[[], Iterator[Item]] | None:
    """Prompts from the text file of the same relative path, for the images below a sub-folder of the root."""
    prefix = f"{below}/" if below else ""

    def prompt_of(entry: Entry) -> str | None:
        if not entry.relative.startswith(prefix):
            return None
        return read_text(os.path.join(texts, os.path.splitext(entry.relative[len(prefix) :])[0] + ".txt"))

    return labelled(root, prompt_of)
