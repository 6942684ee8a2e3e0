"""Text files beside the images: ``cat.png`` and ``cat.txt`` or ``cat.caption``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from rankkit.io.prompts.base import Entry, Item, Root, labelled, read_text


def find(root: Root) -> Callable[[], Iterator[Item]] | None:
    """The images below, each with the text of its sidecar file as the prompt."""

    def prompt_of(entry: Entry) -> str | None:
        stem = os.path.splitext(root.locate(entry.relative))[0]
        return next((text for suffix in (".txt", ".caption") if (text := read_text(stem + suffix))), None)

    return labelled(root, prompt_of)
