"""Rows to and from .jsonl, .csv and .parquet: one `Format` each, chosen by the file's suffix.

A row file is only ever replaced whole: a sink writes beside it and renames at the end, so that readers never
see half a file.
"""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from rankkit.errors import BadRows, UsageError
from rankkit.io.atomic import replacing_file, settle
from rankkit.io.rows import FIELDS, Row

FORMULA = tuple("=+-@\t\r")  # a spreadsheet runs a cell that begins with one of these
TEXT_FIELDS = ("group", "prompt", "image", "sha256", "ranker", "version", "kind", "error")
JSON_FIELDS = ("options", "details")
NUMBER_FIELDS = ("score", "stderr", "rank")

START = (
    f'{{"{FIELDS[0]}": "'.encode()
)  # how each line of ours begins: what tells a torn one from another kind of file

Write = Callable[[Row], None]


class Format(Protocol):
    """One way to hold rows in a file."""

    def reader(self, path: Path) -> Iterator[Row]:
        """The rows of a file, one by one."""
        ...

    def writer(self, path: Path) -> Any:
        """A context manager that yields a function which appends one row to a new file."""
        ...


def format_of(path: str | os.PathLike[str]) -> Format:
    """The format that a file's suffix names. Raises `UsageError` for any other suffix."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(
            f"{os.fspath(path)}: rows go to {', '.join(FORMATS)}, not {suffix or 'a name without suffix'!r}"
        )
    return FORMATS[suffix]


def read_rows(path: str | os.PathLike[str]) -> Iterator[Row]:
    """The rows of a .jsonl, .csv or .parquet file, one by one; a torn last line is left out.

    Raises `BadRows` for a file that is not rows of ours, naming the file and the line.
    """
    path = Path(path)
    kind = format_of(path)
    if path.is_dir():
        raise BadRows(f"{path}: is a folder, not a file of rows")
    if not path.is_file():
        unfinished = Path(f"{path}.journal").exists()
        raise BadRows(
            f"{path}: the run that writes it has not finished; run the same rankkit score command again to "
            f"go on"
            if unfinished
            else f"{path}: no such file"
        )
    return kind.reader(path)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Write]:
    """Write a row file anew: yields a function that takes a row.

    The file takes its place only when the block ends well.
    """
    with replacing_file(path) as part, format_of(path).writer(part) as write:
        yield write


def to_json(row: Row) -> str:
    """One row as one line of JSON, without the line break; fields in the order of `FIELDS`."""
    return json.dumps(row, ensure_ascii=False, allow_nan=False)


def from_json(line: str | bytes) -> Row:
    """The row in one line of JSON. Raises ValueError when it is not one."""
    value = json.loads(line)
    if not isinstance(value, dict) or not {"group", "image", "ranker", "score"} <= value.keys():
        raise ValueError("not a row: group, image, ranker or score is missing")
    return _complete(value)


class Jsonl:
    """One JSON object per line; `options` and `details` are objects."""

    def reader(self, path: Path) -> Iterator[Row]:
        """Yield rows; the last line may be torn (a writer was killed), any other bad line is an error."""
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    yield from_json(line)
                except ValueError as error:
                    if not line.endswith(b"\n") and (number > 1 or line[: len(START)] == START[: len(line)]):
                        return
                    raise BadRows(
                        f"{path}, line {number}: not a row of rankkit ({error}); give another file, or score "
                        f"with --overwrite"
                    ) from None

    @contextmanager
    def writer(self, path: Path) -> Iterator[Write]:
        """Yield a function that appends one row."""
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            yield lambda row: _put(file, to_json(row) + "\n")
            settle(file)


class Csv:
    """Comma-separated with a header.

    Objects are JSON strings; cells that a spreadsheet would run are preceded by an apostrophe.
    """

    def reader(self, path: Path) -> Iterator[Row]:
        """Yield rows, undoing exactly what the writer did."""
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = csv.DictReader(file)
            try:
                if not {"group", "image", "ranker", "score"} <= set(lines.fieldnames or ()):
                    raise BadRows(
                        f"{path}: the header is not that of rankkit's rows; give another file, or score with "
                        f"--overwrite"
                    )
                for record in lines:
                    number = lines.line_num
                    try:
                        row = _from_cells(record)
                    except ValueError as error:
                        if next(lines, None) is None:
                            return  # the torn last line of a killed writer
                        raise BadRows(f"{path}, line {number}: not a row of rankkit ({error})") from None
                    yield row
            except csv.Error as error:
                raise BadRows(f"{path}, line {lines.line_num}: not a row of rankkit ({error})") from None

    @contextmanager
    def writer(self, path: Path) -> Iterator[Write]:
        """Yield a function that appends one row."""
        with open(path, "w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, FIELDS, extrasaction="ignore", lineterminator="\r\n")
            out.writeheader()
            yield lambda row: cast(None, out.writerow(_to_cells(row)))
            settle(file)


class Parquet:
    """Columns with types, in row groups of 8192; needs pyarrow (the extra ``parquet``)."""

    def reader(self, path: Path) -> Iterator[Row]:
        """Yield rows."""
        parquet = pyarrow_parquet()
        try:
            file = parquet.ParquetFile(path)
        except Exception as error:  # pyarrow raises its own family, which is not importable without it
            raise BadRows(f"{path}: not a parquet file ({error})") from None
        with file:
            if not {"group", "image", "ranker", "score"} <= set(file.schema_arrow.names):
                raise BadRows(f"{path}: its columns are not those of rankkit's rows")
            for batch in file.iter_batches(batch_size=8192):
                for record in batch.to_pylist():
                    yield _complete(
                        {**record, **{key: json.loads(record.get(key) or "{}") for key in JSON_FIELDS}}
                    )

    @contextmanager
    def writer(self, path: Path) -> Iterator[Write]:
        """Yield a function that takes one row; they reach the file 8192 at a time."""
        parquet = pyarrow_parquet()
        import pyarrow

        text, number = pyarrow.string(), pyarrow.float64()
        types = {**dict.fromkeys(FIELDS, text), **dict.fromkeys(NUMBER_FIELDS, number), "of": pyarrow.int64()}
        schema = pyarrow.schema([(name, types[name]) for name in FIELDS])
        waiting: list[dict[str, Any]] = []
        with parquet.ParquetWriter(path, schema) as file:

            def flush() -> None:
                file.write_table(pyarrow.Table.from_pylist(waiting, schema))
                waiting.clear()

            def write(row: Row) -> None:
                waiting.append(_objects_as_text(row))
                if len(waiting) >= 8192:
                    flush()

            yield write
            flush()


FORMATS: dict[str, Format] = {".jsonl": Jsonl(), ".csv": Csv(), ".parquet": Parquet()}


def pyarrow_parquet() -> Any:
    """The module pyarrow.parquet, or a `UsageError` that says how to get it."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise UsageError("parquet files need pyarrow: pip install 'rankkit-t2i[parquet]'") from None
    return pyarrow.parquet


def _put(file: TextIO, text: str) -> None:
    file.write(text)


def _complete(record: dict[str, Any]) -> Row:
    empty: dict[str, Any] = {
        **dict.fromkeys(TEXT_FIELDS, ""),
        **dict.fromkeys(NUMBER_FIELDS),
        "of": 0,
        "error": None,
        "options": {},
        "details": {},
    }
    return cast(Row, {name: record.get(name, empty[name]) for name in FIELDS})


def _objects_as_text(row: Row) -> dict[str, Any]:
    cells: dict[str, Any] = dict(row)
    return {**cells, **{key: json.dumps(cells[key], ensure_ascii=False) for key in JSON_FIELDS}}


def _to_cells(row: Row) -> dict[str, Any]:
    cells = _objects_as_text(row)
    for key in TEXT_FIELDS:
        text = cells[key]
        if text and text.lstrip("'").startswith(FORMULA):
            cells[key] = "'" + text
    return cells


def _from_cells(cells: dict[str, str]) -> Row:
    """The row in the cells of a line.

    Raises ValueError where there are more or fewer than in the header, or one does not fit.
    """
    if None in cells or None in cells.values():
        raise ValueError("it has another number of cells than the header")
    "".join(cells.values()).encode()  # a ValueError where the bytes of the file are not UTF-8
    record: dict[str, Any] = dict(cells)
    for key in TEXT_FIELDS:
        text = cells.get(key) or ""
        record[key] = text[1:] if text.startswith("'") and text.lstrip("'").startswith(FORMULA) else text
    for key in NUMBER_FIELDS:
        record[key] = float(cells[key]) if cells.get(key) else None
    for key in JSON_FIELDS:
        record[key] = json.loads(cells.get(key, "{}"))
    record["of"] = int(float(cells.get("of") or 0))
    record["error"] = record["error"] or None
    return _complete(record)
