"""GenEval's layout: ``00000/metadata.jsonl`` (one JSON object, despite the name) and
``00000/samples/0000.png`` … per prompt.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from typing import Any

from rankkit.io.prompts.base import Entry, Item, Root, folders, read_text


def find(root: Root) -> Callable[[], Iterator[Item]] | None:
    """Every sample of every numbered folder; the object in its metadata.jsonl becomes the metadata of the
    group.
    """
    numbered = [] if root.files else [name for name in folders(root.path) if name.isdigit()]
    if not any(os.path.isfile(root.path / folder / "metadata.jsonl") for folder in numbered):
        return None
    return lambda: (item for folder in numbered for item in _samples(root, folder))


def _samples(root: Root, folder: str) -> Iterator[Item]:
    try:
        names = sorted(os.listdir(root.path / folder / "samples"))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as reason:
        yield root.item(Entry(folder, f"the folder cannot be read: {reason.strerror}"), group=folder)
        return
    try:
        text = read_text(root.path / folder / "metadata.jsonl")
        metadata: dict[str, Any] = {} if text is None else dict(json.loads(text))
        error = None
    except (ValueError, TypeError) as reason:
        metadata, error = {}, f"{folder}/metadata.jsonl is not one JSON object: {reason}"
    for name in names:
        if re.match(
            r"\d+\.(png|jpe?g|webp)", name
        ):  # no end anchor: the official reader takes 0001.png.bak too
            entry = Entry(f"{folder}/samples/{name}", error)
            yield root.item(entry, str(metadata.get("prompt", "")), group=folder, metadata=metadata)
