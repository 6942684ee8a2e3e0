"""A JSON map of files to prompts in the folder:
``prompts.json`` or ``captions.json`` with ``{"a.png": "a cat"}``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from rankkit.io.prompts import manifest
from rankkit.io.prompts.base import Item, Root

NAMES = ("prompts.json", "captions.json")


def find(root: Root) -> Callable[[], Iterator[Item]] | None:
    """The images that the map names, then those that it does not mention."""
    found = [root.path / name for name in NAMES if not root.files and os.path.isfile(root.path / name)]
    return (lambda: manifest.listed(root, found[:1])) if found else None
