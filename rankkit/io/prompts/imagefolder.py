"""Hugging Face imagefolder and its kin: ``metadata.jsonl``, ``.csv``, ``.parquet`` …, ``captions.json`` or
``prompts.json`` in the folder or below, which name the images beside them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rankkit.errors import UsageError
from rankkit.io.prompts import manifest
from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.reading.columns import image_names, names_images, prompt_column
from rankkit.io.tables import READERS, Table, open_table

NAME = "metadata files (imagefolder)"
STEMS = ("metadata", "prompts", "captions")


def find(root: Root) -> Source | None:
    """The images that metadata files name, those of the folder itself first; each file's names are relative
    to it.
    """
    if root.files or root.manifest_only or not root.path.is_dir():
        return None
    used, notes = [], []
    for path in root.files_below(_may_be_metadata):
        if path == root.manifest or _is_of_another_source(root, path):
            continue
        table = open_table(path)
        if _describes_images(root, table):
            used.append(table)
        elif why := _why_not_used(table):
            notes.append(f"{path} is not used: {why}")
    if not used and not notes:
        return None

    def items() -> Iterator[tuple[Place, Answer]]:
        for table in used:
            found = manifest.listed(root, table, NAME)
            assert found.lists is not None
            yield from found.lists()

    said = [f"{table.path}: {note}" for table in used for note in table.notes]
    return Source(NAME, lists=items, notes=(*said, *notes))


def _may_be_metadata(name: str) -> bool:
    stem, suffix = os.path.splitext(name.lower())
    return suffix in READERS and (stem in STEMS or (stem.startswith("captions") and suffix == ".json"))


def _is_of_another_source(root: Root, path: Path) -> bool:
    """GenEval's folders hold a metadata.jsonl each, which is for that source to complain about."""
    return path.name == "metadata.jsonl" and path.parent.name.isdigit() and path.parent.parent == root.path


def _describes_images(root: Root, table: Table) -> bool:
    """A .json file may be a map of anything: it is one of images when it names one that is there."""
    if table.path.suffix.lower() != ".json":
        return names_images(table)
    folders = (table.path.parent, root.path)
    try:
        return any(
            os.path.lexists(folder / name)
            for _, record in table.records()
            for name in image_names(record)
            for folder in folders
        )
    except (UsageError, ValueError):
        return False


def _why_not_used(table: Table) -> str:
    try:
        columns = table.columns()
    except UsageError as error:
        return str(error)
    known = f"its columns are {', '.join(columns[:8]) or 'none'}"
    if prompt_column(columns):
        return f"it names no image that is here ({known}); --prompts {table.path} gives its lines in order"
    return f"it names no image that is here ({known})"
