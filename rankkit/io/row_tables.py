"""Rows in tables: .csv, whose cells are all text, and .parquet, whose columns have types; and which files of
a folder hold rows, where a run wrote them shard by shard.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from rankkit.errors import BadRows, UsageError
from rankkit.io.atomic import settle
from rankkit.io.rows import (
    FIELDS,
    JSON_FIELDS,
    NEEDED,
    NUMBER_FIELDS,
    TEXT_FIELDS,
    Row,
    Write,
    completed,
    how_to_go_on,
)
from rankkit.io.urls import MANIFEST

FORMULA = tuple("=+-@\t\r")  # a spreadsheet runs a cell that begins with one of these


def files_of(folder: Path) -> list[Path]:
    """The files of rows in a folder that a run over shards wrote, by its manifest.

    Raises `BadRows` for any other folder, for one whose run has not finished, and where a file has changed.
    """
    try:
        about = json.loads((folder / MANIFEST).read_bytes())
        shards, done = int(about["shards"]), [(folder / one["rows"], one["bytes"]) for one in about["done"]]
    except (OSError, ValueError, KeyError, TypeError):
        raise BadRows(
            f"{folder}: is a folder without a {MANIFEST} of rows; give a file of rows, or a folder that "
            "rankkit score --engine ray -o FOLDER/ wrote"
        ) from None
    if len(done) < shards:
        raise BadRows(
            f"{folder}: {len(done)} of {shards} shards are scored; run the same rankkit score command again "
            "to go on, without shards that cannot be read"
        )
    for path, size in done:
        if not path.is_file() or path.stat().st_size != size:
            raise BadRows(
                f"{path}: is not what {folder / MANIFEST} says; run the same rankkit score command again"
            )
    return [path for path, _ in done]


class Csv:
    """Comma-separated with a header.

    Objects are JSON strings; cells that a spreadsheet would run are preceded by an apostrophe.
    """

    def fields(self, path: Path) -> Collection[str] | None:
        """The names in the header, None where there is nothing. Raises `BadRows` for what is no text."""
        with open(path, encoding="utf-8-sig", newline="") as file:
            try:
                return next(csv.reader(file), None)
            except (csv.Error, UnicodeDecodeError) as error:
                raise BadRows(f"{path}: not comma-separated text ({error})") from None

    def reader(self, path: Path) -> Iterator[Row]:
        """Yield rows, undoing exactly what the writer did."""
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            lines = csv.DictReader(file)
            try:
                if not set(lines.fieldnames or ()) >= NEEDED:
                    raise BadRows(f"{path}: the header is not that of rankkit's rows; give another file")
                for record in lines:
                    number = lines.line_num
                    try:
                        row = _from_cells(record)
                    except ValueError as error:
                        if next(lines, None) is None:
                            return  # the torn last line of a killed writer
                        raise BadRows(
                            f"{path}, line {number}: not a row of rankkit ({error}); "
                            f"{how_to_go_on(lines.fieldnames or ())}"
                        ) from None
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

    def fields(self, path: Path) -> Collection[str] | None:
        """The names of the columns, None for an empty file. Raises `BadRows` for anything but parquet."""
        if not path.stat().st_size:
            return None
        with _opened(path) as file:
            return cast("list[str]", file.schema_arrow.names)

    def reader(self, path: Path) -> Iterator[Row]:
        """Yield rows."""
        with _opened(path) as file:
            if not set(file.schema_arrow.names) >= NEEDED:
                raise BadRows(f"{path}: its columns are not those of rankkit's rows")
            for batch in _batches(path, file):
                for record in batch:
                    yield self._row(path, record)

    def _row(self, path: Path, record: dict[str, Any]) -> Row:
        try:
            objects = {key: json.loads(record.get(key) or "{}") for key in JSON_FIELDS}
            return completed({**record, **objects})
        except (ValueError, TypeError, RecursionError) as error:
            advice = how_to_go_on(record)
            raise BadRows(f"{path}: holds a row that is none of rankkit ({error}); {advice}") from None

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


def pyarrow_parquet() -> Any:
    """The module pyarrow.parquet, or a `UsageError` that says how to get it."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise UsageError("parquet files need pyarrow: pip install 'rankkit-t2i[parquet]'") from None
    return pyarrow.parquet


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    parquet = pyarrow_parquet()
    try:
        file = parquet.ParquetFile(path)
    except Exception as error:  # pyarrow raises its own family, which is not importable without it
        raise BadRows(f"{path}: not a parquet file ({error})") from None
    with file:
        yield file


def _batches(path: Path, file: Any) -> Iterator[list[dict[str, Any]]]:
    """The records of an open file, 8192 at a time. Raises `BadRows` where it is damaged."""
    try:
        for batch in file.iter_batches(batch_size=8192):
            yield batch.to_pylist()
    except Exception as error:  # pyarrow's own family again, and text that is no UTF-8
        raise BadRows(f"{path}: is damaged ({error}); score with --overwrite to start anew") from None


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
    try:
        for key in JSON_FIELDS:
            record[key] = json.loads(cells.get(key, "{}"))
        record["of"] = int(float(cells.get("of") or 0))
    except (RecursionError, OverflowError) as error:
        raise ValueError(str(error)) from None
    record["error"] = record["error"] or None
    return completed(record)
