"""GenEval's layout: ``00000/metadata.jsonl`` (one JSON object, despite the name) and
``00000/samples/0000.png`` … per prompt, or the samples directly in the folder.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.reading.columns import image_columns, image_names
from rankkit.io.prompts.reading.texts import answer_in, read_text
from rankkit.io.records import once
from rankkit.io.tables import too_deep

NAME = "GenEval folders"
SHEET = "grid"  # the contact sheet of a folder's samples


def find(root: Root) -> Source | None:
    """Every image of every numbered folder, at any depth, or of the folder that was named; the object in its
    metadata.jsonl becomes the metadata of the group.
    """
    found = root.files_below(lambda name: name == "metadata.jsonl")
    numbered = {root.relative(path.parent) for path in found if is_of_prompt(path)}
    if not numbered:
        return None

    @functools.lru_cache(maxsize=16)
    def answer_of(folder: str) -> Answer:
        return _answer(root, folder)

    def knows(place: Place) -> Answer | None:
        folder, _, name = place.relative.rpartition("/")
        if folder not in numbered:
            folder, _, last = folder.rpartition("/")
            if last != "samples" or folder not in numbered:
                return None
        if os.path.splitext(name)[0].lower() == SHEET:
            return Answer(skip="a contact sheet of samples")
        return answer_of(folder)

    left_out = sum(_has_sheet(root.path / name) for name in numbered)
    notes = (f"{left_out} contact sheets ({SHEET}.png) of GenEval folders are left out",) if left_out else ()
    return Source(NAME, knows=knows, notes=notes)


def is_of_prompt(path: Path) -> bool:
    """Whether a metadata.jsonl tells of one prompt: it stands in a numbered folder, and its first line names
    no image.
    """
    if not path.absolute().parent.name.isdigit() or not path.is_file():
        return False
    try:
        first = json.loads(next(iter(read_text(path)[0].splitlines()), ""))
    except (ValueError, RecursionError):
        return True
    return not isinstance(first, dict) or not (image_columns(first) or image_names(first))


def _has_sheet(folder: Path) -> bool:
    places = (folder, folder / "samples")
    return any(os.path.isfile(place / f"{SHEET}{suffix}") for place in places for suffix in (".png", ".jpg"))


def _answer(root: Root, folder: str) -> Answer:
    text, why = read_text(root.path / folder / "metadata.jsonl")
    try:
        metadata: Any = {} if why else json.loads(text, object_pairs_hook=once)
        if not isinstance(metadata, dict):
            raise ValueError(f"it holds {type(metadata).__name__}")
        why = why or ("it is nested too deeply" if too_deep(metadata) else "")
    except ValueError as error:
        why = str(error)
    except RecursionError:
        why = "it is nested too deeply"
    if why:
        where = "/".join(filter(None, (folder, "metadata.jsonl")))
        return Answer(error=f"{where} is not one JSON object: {why}")
    found = answer_in(metadata.get("prompt"))
    return Answer(found.texts, found.why, metadata, folder or None)
