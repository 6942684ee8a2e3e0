"""Hugging Face imagefolder: ``metadata.jsonl``, ``.csv``, ``.parquet`` … in the folder or below, with
`file_name` and `text` or `prompt`; names are relative to the file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rankkit.errors import BadSource
from rankkit.io.prompts import manifest
from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.reading.columns import image_names, names_images, prompt_column
from rankkit.io.tables import READERS, Table, open_table

NAME = "metadata files (imagefolder)"
STEMS = ("metadata", "prompts", "captions")


def find(root: Root) -> Source | None:
    """The images that the metadata files of a folder and of the folders below name."""
    return in_tables(root, NAME, _is_metadata)


def in_tables(root: Root, name: str, wanted: Callable[[str], bool]) -> Source | None:
    """The images that certain tables name, which stand anywhere below a folder; a table that is of no use is
    named in the notes, with its columns.
    """
    if root.files or root.manifest_only or not root.path.is_dir():
        return None
    used, notes = [], list[str]()
    for path in root.files_below(wanted):
        if path == root.manifest or _is_of_geneval(root, path):
            continue
        table = open_table(path)
        if _describes_images(root, table):
            used.append(table)
            notes += [f"{path}: {note}" for note in table.notes]
        else:
            notes.append(f"{path} is not used: {_why_not_used(table)}")
    if not used and not notes:
        return None

    def items() -> Iterator[tuple[Place, Answer]]:
        for table in used:
            yield from manifest.listed(root, table)

    return Source(name, lists=items, notes=tuple(notes))


def _is_metadata(name: str) -> bool:
    stem, suffix = os.path.splitext(name.lower())
    return stem in STEMS and suffix in READERS and suffix != ".json"


def _is_of_geneval(root: Root, path: Path) -> bool:
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
    except (BadSource, ValueError):
        return False


def _why_not_used(table: Table) -> str:
    try:
        columns = table.columns()
    except BadSource as error:
        return str(error)
    known = f"its columns are {', '.join(columns[:8]) or 'none'}"
    if prompt_column(columns):
        return f"it names no image that is here ({known}); --prompts {table.path} gives its lines in order"
    return f"it names no image that is here ({known})"
