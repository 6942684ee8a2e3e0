"""Lists of prompts, without images: a text file with one per line, a table with a column of them, a folder.

A prompt keeps what came with it: the other columns of its row are its metadata.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rankkit.core import images
from rankkit.core.text import plain, printable
from rankkit.errors import BadSource, UsageError
from rankkit.io.prompts.base import JUNK
from rankkit.io.prompts.reading.columns import answer_of, prompt_column
from rankkit.io.prompts.reading.texts import NOTHING, PAGE, PROMPT, prompt_lines
from rankkit.io.records import json_elements
from rankkit.io.tables import READERS, Table, open_table, read_object
from rankkit.io.text import decode_text, open_text

IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*")  # how the files of images begin
MAX_BYTES = 2**30  # of a file that is text
MAX_PROMPTS = 10**7
SETTINGS = (".yaml", ".yml", ".toml", ".ini", ".xml", ".html")
ACCEPTED = f"a text file with one prompt per line, a table ({', '.join(READERS)}) or a folder"

Listed = tuple[str, dict[str, Any]]


class PromptList(list[Listed]):
    """Prompts, each with its metadata; `notes` says how they were read where that needs to be said."""

    notes: tuple[str, ...] = ()


def read_prompts(path: str | os.PathLike[str]) -> PromptList:
    """The prompts of a text file, a table or a folder, in order, each with the other columns of its row.

    In a folder these are its tables, its ``.txt`` files, or those of the folders directly below, sorted by
    name; there a ``prompt.txt`` is one prompt. Rows without a prompt are left out and counted in `notes`.
    Raises `UsageError` for what is no list of prompts, `BadSource` for a row that cannot be read, naming its
    place.
    """
    path = Path(path)
    if not path.exists():
        raise UsageError(f"there is no prompt file {str(path)!r}; give {ACCEPTED}")
    found, notes = PromptList(), list[str]()
    for file in _files(path) if path.is_dir() else [path]:
        more, said = _read(file, whole=path.is_dir() and file.name.lower() == "prompt.txt")
        found += more
        notes += [f"{file.relative_to(path)}: {note}" for note in said] if path.is_dir() else said
    if not found:
        raise UsageError(f"the prompt file {str(path)!r} is empty; give {ACCEPTED}")
    found.notes = tuple(notes)
    return found


def _files(folder: Path) -> list[Path]:
    """The files of a folder that hold its prompts: tables before texts, its own before those below."""
    below = sorted(
        each
        for each in folder.iterdir()
        if each.is_dir() and not each.name.startswith(".") and each.name not in JUNK
    )
    for places in ([folder], below):
        for suffixes in (tuple(READERS), (".txt",)):
            found = [file for place in places for file in sorted(place.iterdir()) if file.is_file()]
            found = [file for file in found if file.suffix.lower() in suffixes and file.name[0] != "."]
            kinds = sorted({file.suffix.lower() for file in found})
            if len(kinds) > 1:
                raise UsageError(
                    f"{folder}: holds tables of several kinds ({', '.join(kinds)}); name the one "
                    f"with the prompts"
                )
            if found:
                return found
    raise UsageError(f"{folder}: holds no prompts; give {ACCEPTED}")


def _read(path: Path, *, whole: bool) -> tuple[list[Listed], list[str]]:
    """The prompts of one file, and what is to be said of it."""
    kind = path.suffix.lower()
    if path.is_file():  # a pipe is as good as a file, and has no size
        size = path.stat().st_size
        if size == 0:
            return [], []
        if kind in SETTINGS:
            raise UsageError(f"{path}: a file of settings ({kind}) is no list of prompts; give {ACCEPTED}")
        if kind in images.SUFFIXES or _is_image(path):
            raise UsageError(f"{path}: is an image, not a list of prompts; give {ACCEPTED}")
        if size > MAX_BYTES and kind != ".parquet":
            raise UsageError(
                f"{path}: has {size} bytes, more than the {MAX_BYTES} of a list of prompts; split it, or "
                f"write it as .parquet"
            )
    if kind not in READERS:
        return _texts(path, whole=whole)
    if not path.is_file():
        open_table(path)  # which says that a pipe is no table
    if kind == ".json" and (texts := _json_texts(path)) is not None:
        return [(text, {}) for text in texts], []
    table = _one_object(path) if kind == ".json" else None
    return _rows(table or open_table(path))


def _is_image(path: Path) -> bool:
    """Whether a file that is called otherwise is an image, as its first bytes show."""
    with open(path, "rb") as file:
        start = file.read(16)
    return start.startswith(IMAGES) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP")


def _texts(path: Path, *, whole: bool) -> tuple[list[Listed], list[str]]:
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES)
    try:
        text, coding = decode_text(data)
    except ValueError as error:
        raise UsageError(f"{path}: {error}; give {ACCEPTED}") from None
    text = text.replace("\ufeff", "")
    if PAGE.match(text.lstrip()):
        raise UsageError(f"{path}: is a web page, XML or RTF, not a list of prompts; give {ACCEPTED}")
    prompts = [printable(line) for line in ([text.strip()] if whole else prompt_lines(text)) if line]
    if prompts and _is_object(prompts[0]):
        raise UsageError(
            f"{path}: its first line is a JSON object; call it .jsonl to have it read as a table"
        )
    if prompts and _is_list(text):
        raise UsageError(f"{path}: it is a JSON list; call it .json to have it read as one")
    notes = ["read as Windows-1252, because it is not UTF-8"] if coding == "cp1252" else []
    if empty := sum(NOTHING.fullmatch(prompt) is not None for prompt in prompts):
        prompts = [prompt for prompt in prompts if not NOTHING.fullmatch(prompt)]
        notes.append(f"{empty} line{'s' * (empty > 1)} that say{'s' * (empty == 1)} nan or none left out")
    return [(prompt, {}) for prompt in prompts], notes


def _is_object(line: str) -> bool:
    try:
        return line.startswith("{") and isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _is_list(text: str) -> bool:
    try:
        return text.lstrip().startswith("[") and isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False


def _json_texts(path: Path) -> list[str] | None:
    """The texts of a JSON array of texts; None for any other JSON."""
    try:
        file, coding = open_text(path)
        with file:
            if not re.match(r'\s*\[\s*"', file.read(4096)):
                return None
        with open(path, encoding=coding) as file:
            values = [value for _, value in json_elements(file)]
    except RecursionError:
        raise BadSource(f"{path}: nested too deeply to be read; give a list of texts") from None
    except (OSError, ValueError) as error:
        raise BadSource(f"{path}: cannot be read: {error}") from None
    if not all(isinstance(value, str) for value in values):
        raise BadSource(f"{path}: holds texts and other things; give a list of texts, or of objects")
    return [printable(value.strip()) for value in values if value.strip()]


def _one_object(path: Path) -> Table | None:
    """The table of one row that a .json file is whose object has a prompt.

    None for a list, and for an object that maps names of images to prompts or to objects.
    """
    file, _ = _opened(path)
    with file:
        if not file.read(4096).lstrip().startswith("{"):
            return None
    try:
        value = read_object(path)
    except BadSource:
        return None  # as a table it is objects line by line, or raises this again
    if (name := prompt_column(value)) and isinstance(value[name], str):
        return Table(path, lambda: iter([("its content", value)]))
    lists = [each for each in value.values() if isinstance(each, list)]
    if all(isinstance(each, (str, Mapping)) for each in value.values()) or any(map(_of_objects, lists)):
        return None
    raise UsageError(
        f"{path}: is an object of {', '.join(list(value)[:8])}, and none of them is the prompt; give a list "
        f'of objects like {{"prompt": …}}'
    )


def _of_objects(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(each, Mapping) for each in values)


def _opened(path: Path) -> Any:
    try:
        return open_text(path)
    except (OSError, ValueError) as error:
        raise BadSource(f"{path}: cannot be read: {error}") from None


def _rows(table: Table) -> tuple[list[Listed], list[str]]:
    found, columns, without, first = list[Listed](), dict[str, None](), 0, ""
    for where, record in table.records():
        columns.update(dict.fromkeys(record))
        answer = answer_of(record)
        if not answer.texts:
            without, first = without + 1, first or f"{where}: its prompt {answer.why or 'is absent'}"
            continue
        metadata = {printable(key): plain(value) for key, value in answer.metadata.items()}
        found.append((printable(answer.texts[0]), metadata))
        if len(found) > MAX_PROMPTS:
            raise UsageError(f"{table.path}: holds more than {MAX_PROMPTS} prompts; give a part of them")
    if columns and prompt_column(columns) is None:
        raise UsageError(
            f"{table.path}: it has no column of prompts; its columns are {', '.join(list(columns)[:20])}; "
            f"name one of them prompt (or {', '.join(PROMPT[2:4])})"
        )
    if without and not found:
        raise UsageError(f"{table.path}, {first}; none of its {without} rows has a prompt")
    said = [f"{without} row{'s' * (without > 1)} without a prompt {'are' if without > 1 else 'is'} left out"]
    return found, [*table.notes, *(said if without else [])]
