"""One folder per prompt, which holds the images and their ``prompt.txt``."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator

from rankkit.io.prompts.base import Item, Root, read_text


def find(root: Root) -> Callable[[], Iterator[Item]] | None:
    """Each folder with a prompt.txt is a group of its own; images elsewhere come without a prompt."""
    if root.files:
        return None

    @functools.lru_cache(maxsize=16)
    def prompt_of(folder: str) -> str | None:
        return read_text(os.path.join(root.path, folder, "prompt.txt"))

    if not any(prompt_of(os.path.dirname(entry.relative)) for entry in root.walk()):
        return None

    def items() -> Iterator[Item]:
        for entry in root.walk():
            folder = os.path.dirname(entry.relative)
            prompt = prompt_of(folder)
            yield root.item(entry, prompt or "", group=(folder or None) if prompt else None)

    return items
