"""GenEval's layout: ``00000/metadata.jsonl`` (one JSON object, despite the name) and
``00000/samples/0000.png`` … per prompt, or the samples directly in the folder.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

from rankkit.io.prompts.base import Answer, Place, Root, Source, folders
from rankkit.io.prompts.reading.texts import answer_in, read_text
from rankkit.io.tables import too_deep

NAME = "GenEval folders"
SHEET = "grid"  # the contact sheet of a folder's samples


def find(root: Root) -> Source | None:
    """Every image of every numbered folder; the object in its metadata.jsonl becomes the metadata of the
    group.
    """
    numbered = [] if root.files else [name for name in folders(root.path) if is_prompt_folder(root, name)]
    if not numbered:
        return None

    @functools.lru_cache(maxsize=16)
    def answer_of(folder: str) -> Answer:
        return _answer(root, folder)

    def knows(place: Place) -> Answer | None:
        folder, *rest = place.relative.split("/")
        if not is_prompt_folder(root, folder) or rest[:-1] not in ([], ["samples"]):
            return None
        if os.path.splitext(rest[-1])[0].lower() == SHEET:
            return Answer(skip="a contact sheet of samples")
        return answer_of(folder)

    left_out = sum(
        _has_sheet(root.path / name) for name in folders(root.path) if is_prompt_folder(root, name)
    )
    notes = (f"{left_out} contact sheets ({SHEET}.png) of GenEval folders are left out",) if left_out else ()
    return Source(NAME, knows=knows, notes=notes)


def is_prompt_folder(root: Root, folder: str) -> bool:
    """Whether a folder of this name holds the samples of one prompt."""
    return folder.isdigit() and os.path.isfile(root.path / folder / "metadata.jsonl")


def _has_sheet(folder: Path) -> bool:
    places = (folder, folder / "samples")
    return any(os.path.isfile(place / f"{SHEET}{suffix}") for place in places for suffix in (".png", ".jpg"))


def _answer(root: Root, folder: str) -> Answer:
    text, why = read_text(root.path / folder / "metadata.jsonl")
    try:
        metadata: dict[str, Any] = dict(json.loads(text)) if not why else {}
        why = why or ("it is nested too deeply" if too_deep(metadata) else "")
    except (ValueError, TypeError) as error:
        why = str(error)
    except RecursionError:
        why = "it is nested too deeply"
    if why:
        return Answer(error=f"{folder}/metadata.jsonl is not one JSON object: {why}")
    found = answer_in(metadata.get("prompt"))
    return Answer(found.texts, found.why, metadata, folder)
