"""What the columns of a table mean: which hold prompts, which name images, and what is metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rankkit.io.prompts.base import Answer
from rankkit.io.prompts.reading.texts import PROMPT, answer_in
from rankkit.io.tables import Record, Table

IMAGE = ("image", "image_path", "file_name", "path", "filename", "file_path", "image_name")
IMAGES = ("images", "file_names", "path1", "path2", "chosen", "rejected", *IMAGE)
GROUP = "group"
ID = "id"


def names_images(table: Table) -> bool:
    """Whether the records of a table name images, going by its first one."""
    first = next(table.records(), None)
    return first is not None and bool(image_names(first[1]) or image_columns(first[1]))


def prompt_column(columns: Iterable[str]) -> str | None:
    """The column that holds the prompts, in any case of its letters."""
    by_name = {column.lower(): column for column in columns}
    return next((by_name[name] for name in PROMPT if name in by_name), None)


def image_columns(columns: Iterable[str]) -> list[str]:
    """The columns that name images, in any case: the known ones, and all that end in `file_name(s)`."""
    by_name = {column.lower(): column for column in columns}
    known = [by_name[name] for name in IMAGES if name in by_name]
    return known + [
        column for name, column in by_name.items() if name.endswith(("_file_name", "_file_names"))
    ]


def image_names(record: Record) -> list[str]:
    """The names of images in a record: texts, lists of texts, or objects with a `path`."""
    found: list[str] = []
    for column in image_columns(record):
        value = record[column]
        for each in value if isinstance(value, (list, tuple)) else [value]:
            name = each.get("path") or each.get("file_name") if isinstance(each, Mapping) else each
            found += [name] if isinstance(name, str) and name.strip() else []
    return list(dict.fromkeys(found))


def answer_of(record: Record, *, numbers_images: bool = True) -> Answer:
    """What a record says: the first prompt column that gives a text, the group, and all else as metadata."""
    by_name = {str(column).lower(): column for column in record}
    answers = {by_name[name]: answer_in(record[by_name[name]]) for name in PROMPT if name in by_name}
    used = next((column for column, each in answers.items() if each.texts), next(iter(answers), ""))
    answer = answers.get(used) or Answer(
        why=f"has no prompt; its columns are {', '.join(map(str, record))[:200]}"
    )
    keys = (GROUP,) if numbers_images else (GROUP, ID)
    groups = [record[by_name[name]] for name in keys if name in by_name]
    group = next((str(value) for value in groups if value not in (None, "")), None)
    taken = {used, *(by_name[name] for name in keys if name in by_name), *image_columns(record)}
    metadata = {str(key): value for key, value in record.items() if key not in taken and value is not None}
    return Answer(answer.texts, answer.why, metadata, group)


def column_of_stems(table: Table, stems: Iterable[str]) -> str | None:
    """The column that holds all these names of images once, without suffix and leading zeros, if there is
    one.
    """
    wanted = set(map(stem_key, stems))
    values: dict[str, set[str]] = {}
    twice = set[str]()
    for _, record in table.records():
        for column, value in record.items():
            key = stem_key(str(value)) if isinstance(value, (str, int)) else None
            if key in wanted:
                found = values.setdefault(column, set())
                twice |= {column} if key in found else set()
                found.add(key)
    return next((name for name, found in values.items() if found == wanted and name not in twice), None)


def stem_key(text: str) -> str:
    """A name for comparing: in one case, a number without leading zeros."""
    text = text.strip().casefold()
    return str(int(text)) if text.isascii() and text.isdecimal() else text


def id_numbers_images(table: Table) -> bool:
    """Whether `id` tells images apart and not groups: no id has two images, or one has two prompts."""
    images: dict[str, str] = {}
    prompts: dict[str, str] = {}
    several = False
    for _, record in table.records():
        by_name = {str(column).lower(): column for column in record}
        value = record.get(by_name.get(ID, ""))
        if value in (None, ""):
            continue
        names, column = image_names(record), prompt_column(record)
        several |= len(names) > 1 or images.setdefault(str(value), names[0] if names else "") not in names
        prompt = str(record.get(column)).strip() if column else ""
        if prompts.setdefault(str(value), prompt) != prompt:
            return True
    return not several
