"""Tables that people bring: .jsonl, .csv, .tsv, .json and .parquet, as records with the place of each.

A record is a mapping of column names, without white space at their ends, to values. However large the file,
one record and a chunk of it are in memory; a .json object that maps names to values is read whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from rankkit.errors import BadSource
from rankkit.io.tables.base import Opened, Record, Table, too_deep
from rankkit.io.tables.csv_files import open_csv
from rankkit.io.tables.json_files import open_json, open_jsonl, read_object
from rankkit.io.tables.parquet_files import holds_bytes, open_parquet

__all__ = ["READERS", "Record", "Table", "holds_bytes", "open_table", "read_object", "too_deep"]

READERS: dict[str, Callable[[Path], Opened]] = {
    ".jsonl": open_jsonl,
    ".csv": open_csv,
    ".tsv": open_csv,
    ".parquet": open_parquet,
    ".json": open_json,
}


def open_table(path: Path) -> Table:
    """Look at a table: its records come anew from every call of `records`, each with its place ("line 3").

    Raises `BadSource`, naming file and place: here for what cannot be opened, from `records` for a record
    that cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise BadSource(f"{path}: a table is a file in {', '.join(READERS)}")
    if path.exists() and not path.is_file():  # a pipe would be waited for, and can be read once only
        raise BadSource(f"{path}: cannot be read: it is not a regular file")
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
