"""What `rankkit select` copied or linked into a folder below: where the original is here too, it counts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from rankkit.core.text import count
from rankkit.io.prompts.base import Answer, Place, Root, Source

# In a folder that a selection filled: what was done, line by line; and the table of its images.
MARKER, METADATA = ".rankkit-selection.jsonl", "metadata.jsonl"
NAME = "earlier selections"


def find(root: Root) -> Source | None:
    """The copies below whose originals are below too; none where the root itself is the selection."""
    tables = root.files_below(lambda name: name == METADATA)
    folders = [table.parent for table in tables if table.parent != root.path]
    copies = {folder: found for folder in folders if (found := dict(_copies(root, folder)))}
    if not copies:
        return None
    skipped = {
        copy: f"chosen from {root.below(original)}"
        for found in copies.values()
        for copy, original in found.items()
    }
    notes = tuple(
        f"{root.below(root.relative(folder))} holds a selection: "
        f"{count(len(found), 'image')} of it, whose originals are here too, left out"
        for folder, found in copies.items()
    )

    def knows(place: Place) -> Answer | None:
        reason = skipped.get(place.relative)
        return Answer(skip=reason) if reason else None

    return Source(NAME, knows=knows, notes=notes)


def _copies(root: Root, folder: Path) -> Iterator[tuple[str, str]]:
    """Each image of a selection and its original, where both are below the root."""
    try:
        first, *lines = [json.loads(line) for line in (folder / MARKER).read_text("utf-8").splitlines()]
        chosen = [(line["file"], line["from"]) for line in lines if "from" in line]
        copied = first["action"] in ("copy", "link")
    except (OSError, ValueError, TypeError, KeyError):
        return
    inside = os.path.join(os.path.realpath(root.path), "")
    for file, original in chosen if copied else ():
        if os.path.realpath(original).startswith(inside) and os.path.exists(original):
            yield root.relative(folder / file), root.relative(original)
