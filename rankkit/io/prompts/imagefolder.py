"""Hugging Face imagefolder: ``metadata.jsonl``, ``.csv``, ``.parquet`` … in the folder or below, with
`file_name` and `text` or `prompt`; names are relative to the file.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections.abc import Callable, Iterator
from itertools import islice

from rankkit.errors import BadSource
from rankkit.io.prompts import geneval, manifest
from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.reading.columns import image_names, names_images, prompt_column
from rankkit.io.tables import READERS, Table, open_table

NAME = "metadata files (imagefolder)"
STEMS = ("metadata", "prompts", "captions")
NEARLY = re.compile(r"(?:(?:meta|prompt|caption).*|log)\.(?:jsonl|csv|tsv)$", re.IGNORECASE)
UNREAD = (  # kinds of tables that are not read, and how to have them read
    (
        re.compile(r"(?:meta|prompt|caption).*\.(?:xlsx?|xlsm|ods|numbers)$", re.IGNORECASE),
        "is not read: it is a spreadsheet; save it as .csv",
    ),
    (
        re.compile(r"(?:meta|prompt|caption).*\.(?:ya?ml|xml|sqlite3?|db|feather|pkl|npy)$", re.IGNORECASE),
        f"is not read; write it as a table ({', '.join(READERS)})",
    ),
    (
        re.compile(r".+\.arrow$"),
        "is not read: Dataset.save_to_disk wrote it; datasets.load_from_disk(FOLDER).to_parquet(FILE)",
    ),
)
LOOKED_AT = 1000  # records that tell whether a .json file is about images


def find(root: Root) -> Source | None:
    """The images that the metadata files of a folder and of the folders below name."""
    return in_tables(root, NAME, _is_metadata, _unread)


def in_tables(
    root: Root,
    name: str,
    wanted: Callable[[str], bool],
    others: Callable[[Root], list[str]] = lambda _: [],
) -> Source | None:
    """The images that certain tables name, which stand anywhere below a folder; a table that is of no use is
    named in the notes, with its columns; `others` gives notes on tables that are not read.
    """
    if root.files or root.manifest_only or not root.path.is_dir():
        return None
    used, notes = [], list[str]()
    for path in root.files_below(wanted):
        if path == root.manifest or (path.name == "metadata.jsonl" and geneval.is_of_prompt(path)):
            continue
        table = open_table(path)
        if _describes_images(root, table):
            used.append(table)
            notes += [f"{path}: {note}" for note in table.notes]
        else:
            notes.append(f"{path} is not used: {_why_not_used(table)}")
    notes += others(root)
    if not used and not notes:
        return None

    def items() -> Iterator[tuple[Place, Answer]]:
        for table in used:
            yield from manifest.listed(root, table)

    return Source(name, lists=items, notes=tuple(notes))


def _unread(root: Root) -> list[str]:
    """Tables that are called nearly so: the user may have meant them, and it would be a guess which one."""
    found = root.files_below(lambda name: NEARLY.match(name) is not None and not _is_metadata(name))
    notes = []
    for path in found:
        try:
            table = open_table(path)
            meant = names_images(table) and prompt_column(table.columns()) is not None
        except BadSource:
            meant = False
        notes += [f"{path} is not read; --prompts {path} reads it"] if meant and path != root.manifest else []
    for pattern, said in UNREAD:
        others = root.files_below(functools.partial(re.match, pattern))
        notes += [f"{path} {said}" for path in others[:3]]
    return notes


def _is_metadata(name: str) -> bool:
    stem, suffix = os.path.splitext(name.lower())
    return stem in STEMS and suffix in READERS and suffix != ".json"


def _describes_images(root: Root, table: Table) -> bool:
    """A .json file may be a map of anything: it is one of images when it names one that is there."""
    if table.path.suffix.lower() != ".json":
        return names_images(table)
    some = list[str]()
    with contextlib.suppress(BadSource):  # what it names before it breaks off tells what it is about
        for _, record in islice(table.records(), LOOKED_AT):
            some += image_names(record)
    return bool(some) and manifest.names_in(root, table).find_any(some)


def _why_not_used(table: Table) -> str:
    try:
        columns = table.columns()
    except BadSource as error:
        return str(error)
    known = f"its columns are {', '.join(columns[:8]) or 'none'}"
    if prompt_column(columns):
        return f"it names no image that is here ({known}); --prompts {table.path} gives its lines in order"
    return f"it names no image that is here ({known})"
