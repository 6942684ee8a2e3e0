"""Lists of prompts, without images: a text file with one per line, a table with a column of them, a folder.

A prompt keeps what came with it: the other columns of its row are its metadata.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rankkit.core import images
from rankkit.core.text import plain, printable
from rankkit.errors import BadSource, UsageError
from rankkit.io.prompts.reading.columns import NumbersAlone, answer_of, prompt_column
from rankkit.io.prompts.reading.line_lists import LONGEST, prompt_lines, why_no_list, without_remarks
from rankkit.io.prompts.reading.list_folders import ACCEPTED, files_of
from rankkit.io.prompts.reading.no_prompts import NOTHING, NUMBER_OR_ID
from rankkit.io.prompts.reading.texts import PAGE, PROMPT
from rankkit.io.prompts.syntax import SYNTAX, plain_words
from rankkit.io.records import json_elements
from rankkit.io.tables import READERS, Table, open_table, read_object
from rankkit.io.text import decode_text, open_text

STARTS = {  # how files begin that are no lists, and what they are
    (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"II*\0", b"MM\0*"): "an image",
    (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"(\xb5/\xfd"): "compressed (unpack it first)",
    (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"): "an archive or an office document (unpack it, or save it as .csv)",
    (b"%PDF",): "a PDF",
    (b"ARROW1", b"\xff\xff\xff\xff"): "an Arrow file (write it as .parquet: Dataset.to_parquet)",
    (b"SQLite format",): "a database",
}
MAX_BYTES = 2**30  # of a file that is text
MAX_PROMPTS = 10**7
SETTINGS = (".yaml", ".yml", ".toml", ".ini", ".xml", ".html")

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
    for file in files_of(path) if path.is_dir() else [path]:
        more, said = _read(file, whole=path.is_dir() and file.name.lower() == "prompt.txt")
        found += more
        notes += [f"{file.relative_to(path)}: {note}" for note in said] if path.is_dir() else said
    if not found:
        raise UsageError(f"the prompt file {str(path)!r} is empty; give {ACCEPTED}")
    found.notes = (*notes, *_remarks(path, [text for text, _ in found]))
    return found


def _remarks(path: Path, texts: list[str]) -> Iterator[str]:
    """What is to be said of prompts; raises `UsageError` for one that is too long to be one."""
    longest = max(texts, key=len)
    if len(longest) > LONGEST:
        raise UsageError(
            f"{path}: a prompt has {len(longest):,} characters ({longest[:40]!r} …), and {LONGEST:,} are the "
            "most that one has; is it one?"
        )
    written = [(text, mark[0]) for text in texts if (mark := SYNTAX.search(text))]
    if written:
        which = f"{len(written)} prompt{'s hold' if len(written) > 1 else ' holds'}"
        yield f"{which} a generator's syntax ({printable(written[0][1])[:40]}), which is kept as written"


def _read(path: Path, *, whole: bool) -> tuple[list[Listed], list[str]]:
    """The prompts of one file, and what is to be said of it."""
    kind = path.suffix.lower()
    if path.is_file():  # a pipe is as good as a file, and has no size
        size = path.stat().st_size
        if size == 0:
            return [], []
        if kind in SETTINGS:
            raise UsageError(f"{path}: a file of settings ({kind}) is no list of prompts; give {ACCEPTED}")
        if what := "an image" if kind in images.SUFFIXES else _other(path):
            raise UsageError(f"{path}: is {what}, not a list of prompts; give {ACCEPTED}")
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


def _other(path: Path) -> str:
    """What a file is, as its first bytes show, where it is neither a text nor a table."""
    with open(path, "rb") as file:
        start = file.read(16)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "an image"
    return next((what for starts, what in STARTS.items() if start.startswith(starts)), "")


def _texts(path: Path, *, whole: bool) -> tuple[list[Listed], list[str]]:
    with open(path, "rb") as file:
        data = file.read(MAX_BYTES)
    try:
        text, coding = decode_text(data)
    except ValueError as error:
        raise UsageError(f"{path}: {error}; give {ACCEPTED}") from None
    text, notes = text.replace("\ufeff", ""), []
    if PAGE.match(text.lstrip()):
        raise UsageError(f"{path}: is a web page, XML or RTF, not a list of prompts; give {ACCEPTED}")
    if coding == "cp1252":
        notes.append("read as Windows-1252, because it is not UTF-8")
    if not whole:
        text, said = without_remarks(text)
        notes += [said] if said else []
        if why := why_no_list(text):
            raise UsageError(f"{path}: {why}")
    prompts = [printable(line) for line in ([text.strip()] if whole else prompt_lines(text)) if line]
    if empty := sum(NOTHING.fullmatch(prompt) is not None for prompt in prompts):
        prompts = [prompt for prompt in prompts if not NOTHING.fullmatch(prompt)]
        notes.append(f"{empty} line{'s' * (empty > 1)} that say{'s' * (empty == 1)} nan or none left out")
    if len(prompts) > 1 and all(map(NUMBER_OR_ID.fullmatch, prompts)):
        raise UsageError(f"{path}: holds numbers and no words; give {ACCEPTED}")
    return [(prompt, {}) for prompt in prompts], notes


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
    texts = value.get("prompts")
    if isinstance(texts, list) and texts and all(isinstance(each, str) for each in texts):
        return Table(path, lambda: ((f"prompt {n}", {"prompt": each}) for n, each in enumerate(texts, 1)))
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
    found, columns, without, first, several = list[Listed](), dict[str, None](), 0, "", 0
    numbers = NumbersAlone.of(record for _, record in table.records())
    for where, record in table.records():
        columns.update(dict.fromkeys(record))
        answer = numbers.without(answer_of(record))
        if not answer.texts:
            without, first = without + 1, first or f"{where}: its prompt {answer.why or 'is absent'}"
            continue
        metadata = {printable(key): plain(value) for key, value in answer.metadata.items()}
        text, several = answer.texts[0], several + (len(answer.texts) > 1)
        found.append((printable(plain_words(text) if answer.syntax else text), metadata))
        if len(found) > MAX_PROMPTS:
            raise UsageError(f"{table.path}: holds more than {MAX_PROMPTS} prompts; give a part of them")
    if columns and prompt_column(columns) is None:
        raise UsageError(
            f"{table.path}: it has no column of prompts; its columns are {', '.join(list(columns)[:20])}; "
            f"name one of them prompt (or {', '.join(PROMPT[2:4])})"
            + ("; a list without a header is called .txt" if table.path.suffix in (".csv", ".tsv") else "")
        )
    if without and not found:
        raise UsageError(f"{table.path}, {first}; none of its {without} rows has a prompt")
    said = [f"{without} row{'s' * (without > 1)} without a prompt {'are' if without > 1 else 'is'} left out"]
    more = [f"{several} row{'s' * (several > 1)} with several prompts: the first is taken"] if several else []
    return found, [*table.notes, *(said if without else []), *more]
