"""Tables that people bring: .jsonl, .csv, .tsv, .json and .parquet, as records with the place of each.

A record is a mapping of column names, without white space at their ends, to values. However large the file,
one record and a chunk of it are in memory; a .json object that maps names to values is read whole.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rankkit.errors import BadSource
from rankkit.io.formats import pyarrow_parquet
from rankkit.io.records import json_elements
from rankkit.io.text import open_text

Record = Mapping[str, Any]
MAX_JSON = 256 * 2**20  # bytes of a .json object, which is read whole
COCO = {"images", "annotations"}  # what a file of COCO's has at its top
DEPTH = 64  # levels of lists and objects in one record
SEPARATORS = ",;\t|"


@dataclass(frozen=True)
class Table:
    """A table at a path; `notes` says how it was read where that is not a matter of course."""

    path: Path
    records: Callable[[], Iterator[tuple[str, Record]]]
    notes: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """The names of the columns that any record has, in the order of their first appearance."""
        return list(dict.fromkeys(name for _, record in self.records() for name in record))


def open_table(path: Path) -> Table:
    """Look at a table: its records come anew from every call of `records`, each with its place ("line 3").

    Raises `BadSource`, naming file and place: here for what cannot be opened, from `records` for a record
    that cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise BadSource(f"{path}: a table is a file in {', '.join(READERS)}")
    try:
        records, notes = READERS[suffix](path)
    except (OSError, ValueError) as error:
        raise BadSource(f"{path}: cannot be read: {error}") from None
    return Table(path, lambda: _careful(path, records), notes)


def _careful(path: Path, records: Callable[[], Iterator[tuple[str, Record]]]) -> Iterator[tuple[str, Record]]:
    where = "its start"  # the last place that could be read
    try:
        for where, record in records():
            if too_deep(record):
                raise RecursionError
            yield where, {str(name).strip().lstrip("\ufeff"): value for name, value in record.items()}
    except RecursionError:
        raise BadSource(
            f"{path}, at or after {where}: nested too deeply to be read; give flat objects"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadSource(f"{path}, after {where}: cannot be read: {error}") from None


def too_deep(value: Any, levels: int = DEPTH) -> bool:
    """Whether lists and objects stand in each other more than `levels` deep."""
    inner = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    )
    return any(levels <= 0 or too_deep(each, levels - 1) for each in inner if not isinstance(each, str))


Opened = tuple[Callable[[], Iterator[tuple[str, Record]]], tuple[str, ...]]


def _jsonl(path: Path) -> Opened:
    file, coding = open_text(path)
    file.close()

    def records() -> Iterator[tuple[str, Record]]:
        with open(path, encoding=coding) as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield f"line {number}", _object(path, f"line {number}", _parsed(path, number, line))

    return records, _note(coding)


def _parsed(path: Path, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise BadSource(f"{path}, line {number}: not JSON ({error})") from None


def _object(path: Path, where: str, value: Any) -> Record:
    if isinstance(value, dict):
        return value
    raise BadSource(
        f'{path}, {where}: an object like {{"image": …, "prompt": …}} is expected, not '
        f"{json.dumps(value, ensure_ascii=False)[:60]}"
    )


def _json(path: Path) -> Opened:
    """A list of objects, or an object that maps file names to prompts or to objects."""
    file, coding = open_text(path)
    with file:
        start = file.read(4096).lstrip()

    def listed() -> Iterator[tuple[str, Record]]:
        with open(path, encoding=coding) as file:
            try:
                for number, value in json_elements(file):
                    yield f"entry {number}", _object(path, f"entry {number}", value)
            except ValueError as error:
                raise BadSource(f"{path}: not JSON ({error})") from None

    def mapped() -> Iterator[tuple[str, Record]]:
        value = read_object(path, coding)
        if value.keys() >= COCO:
            yield from _coco(value)
            return
        for number, (key, found) in enumerate(value.items(), 1):
            yield (
                f"entry {number}",
                {"image": key, **(found if isinstance(found, dict) else {"prompt": found})},
            )

    return (listed if start.startswith("[") else mapped), _note(coding)


def _coco(value: Mapping[str, Any]) -> Iterator[tuple[str, Record]]:
    """COCO's captions: images by id, each with all that was said of it."""
    captions: dict[Any, list[Any]] = {}
    images = [each for each in value["images"] if isinstance(each, dict)]
    for each in filter(lambda each: isinstance(each, dict), value["annotations"]):
        captions.setdefault(each.get("image_id"), []).append(each.get("caption"))
    for number, image in enumerate(images, 1):
        named = {"file_name": image.get("file_name"), "captions": captions.get(image.get("id"), [])}
        yield f"image {number}", named


def read_object(path: Path, coding: str | None = None) -> dict[str, Any]:
    """The object of a .json file. Raises `BadSource` where it is none, too large, or nested too deeply."""
    try:
        if path.stat().st_size > MAX_JSON:
            raise BadSource(
                f"{path}: is larger than {MAX_JSON} bytes; write it as .jsonl, an object per line"
            )
        if coding is None:
            file, coding = open_text(path)
            file.close()
        value = json.loads(path.read_text(coding))
    except RecursionError:
        raise BadSource(f"{path}: nested too deeply to be read; give flat objects") from None
    except ValueError as error:
        raise BadSource(f"{path}: not JSON ({error})") from None
    return dict(_object(path, "its content", value))


def _csv(path: Path) -> Opened:
    file, coding = open_text(path)
    with file:
        separator = "\t" if path.suffix.lower() == ".tsv" else _separator(file.read(2**16))

    def records() -> Iterator[tuple[str, Record]]:
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        with open(path, encoding=coding, newline="") as file:
            rows = csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True)
            try:
                header = next(rows, [])
                for cells in rows:
                    if any(cell.strip() for cell in cells):
                        yield f"line {rows.line_num}", _cells(path, rows.line_num, header, cells)
            except csv.Error as error:
                raise BadSource(f"{path}, line {rows.line_num}: {error}") from None

    names = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    said = () if separator == usual else (f"separated by {names.get(separator, separator)}",)
    return records, (*said, *_note(coding))


def _cells(path: Path, number: int, header: list[str], cells: list[str]) -> Record:
    if len(cells) > len(header):
        raise BadSource(
            f"{path}, line {number}: it has {len(cells)} cells and the header {len(header)}; put a cell that "
            f'holds the separator in double quotes ("a, b")'
        )
    if twice := [
        name for name, count in Counter(name.strip().lower() for name in header).items() if count > 1
    ]:
        raise BadSource(f"{path}: its header names {', '.join(map(repr, twice))} twice; rename one column")
    return dict(zip(header, cells, strict=False))


def _separator(start: str) -> str:
    """The sign that stands in the header, outside quotes: a comma, unless another stands there alone."""
    header = next(iter(start.splitlines()), "")
    outside = "".join(header.split('"')[::2])
    found = [sign for sign in SEPARATORS if sign in outside]
    return found[0] if len(found) == 1 else ","


def _parquet(path: Path) -> Opened:
    """Rows without the bytes of images, which are read when their turn comes."""
    try:
        with pyarrow_parquet().ParquetFile(path) as file:
            schema = file.schema_arrow
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these two
        raise BadSource(f"{path}: not a parquet file ({error})") from None

    def records() -> Iterator[tuple[str, Record]]:
        import pyarrow

        columns = [field.name for field in schema if not holds_bytes(field.type)]
        with pyarrow_parquet().ParquetFile(path) as file:
            number = 0
            try:
                for batch in file.iter_batches(batch_size=1024, columns=columns):
                    for record in batch.to_pylist():
                        number += 1
                        yield f"row {number}", record
            except (pyarrow.ArrowException, OSError, ValueError) as error:
                raise BadSource(f"{path}, after row {number}: {error}") from None

    return records, ()


def holds_bytes(kind: Any) -> bool:
    """Whether values of a pyarrow type are, or hold, bytes: an image file, as `datasets` keeps it."""
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(holds_bytes(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _note(coding: str) -> tuple[str, ...]:
    return ("read as Windows-1252, because it is not UTF-8",) if coding == "cp1252" else ()


READERS: dict[str, Callable[[Path], Opened]] = {
    ".jsonl": _jsonl,
    ".csv": _csv,
    ".tsv": _csv,
    ".parquet": _parquet,
    ".json": _json,
}
