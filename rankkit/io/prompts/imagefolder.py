"""Hugging Face imagefolder: ``metadata.jsonl``, ``.csv``, ``.parquet`` … in the folder or below, with
`file_name` and `text` or `prompt`; names are relative to the file.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from rankkit.errors import BadSource
from rankkit.io.prompts import geneval, manifest
from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.reading.called import Called, called
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

Answers = Iterator[tuple[Place, Answer]]


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
    used, notes = list[tuple[Table, Called | None]](), list[str]()
    for path in root.files_below(wanted):
        if path == root.manifest or (path.name == "metadata.jsonl" and geneval.is_of_prompt(path)):
            continue
        table = open_table(path)
        if _describes_images(root, table):
            used.append((table, None))
            notes += [f"{path}: {note}" for note in table.notes]
        elif (found := _called(root, table)) is not None:
            used.append((table, found))
            notes += [f"{path}: {note}" for note in (f"{found.column!r} names the images", *table.notes)]
        else:
            notes.append(f"{path} is not used: {_why_not_used(table)}")
    notes += others(root)
    if not used and not notes:
        return None

    def of(table: Table, found: Called | None) -> Answers:
        return manifest.listed(root, table) if found is None else manifest.called_so(table, found)

    def items() -> Answers:
        differ = _differing(root, [(table.path, of(table, found)) for table, found in used])
        for table, found in used:
            for place, answer in of(table, found):
                why = differ.get(key := hash(root.locate(place)))
                if why != "":
                    yield place, Answer(why=why, metadata=answer.metadata) if why else answer
                if why:
                    differ[key] = ""  # one row is enough

    return Source(name, lists=items, notes=tuple(notes))


def _differing(root: Root, tables: list[tuple[Path, Answers]]) -> dict[int, str]:
    """Why images have no prompt that two tables give different ones, by the hash of where they lie."""
    told: dict[int, tuple[Path, set[str]]] = {}
    differ: dict[int, str] = {}
    for path, answers in tables if len(tables) > 1 else ():
        own = defaultdict[int, set[str]](set)
        for place, answer in answers:
            own[hash(root.locate(place))].update(answer.texts)
        for key, texts in own.items():
            first, known = told.setdefault(key, (path, texts))
            if texts and known and not (texts <= known or known <= texts):
                differ[key] = (
                    f"{first} and {path} tell different prompts; leave one out, or give it by --prompts"
                )
    return differ


def _called(root: Root, table: Table) -> Called | None:
    """The column of a table that calls each image below its folder by its name or number, and no other."""
    folder = root.relative(table.path.parent)
    prefix = f"{folder}/" if folder else ""
    try:
        places = [place for place in root.walk() if place.relative.startswith(prefix) and not place.error]
        found = called(table, places) if places and prompt_column(table.columns()) else None
        whole = found and {found.of(record) for _, record in table.records()} == found.places.keys()
    except BadSource:
        return None
    return found if whole else None


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
    if prompt_column(columns) and names_images(table):
        return (
            f"it names no image below its folder ({known}); --prompts {table.path} seeks them elsewhere too"
        )
    if prompt_column(columns):
        return f"it names no image that is here ({known}); --prompts {table.path} gives its lines in order"
    return f"it names no image that is here ({known})"
