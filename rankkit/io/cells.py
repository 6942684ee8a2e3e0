"""Image files that stand in the cells of a parquet file, as the datasets library keeps them: read one after
the other, without the whole file in memory.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from bisect import bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

from rankkit.core.images import MAX_BYTES
from rankkit.errors import BadSource
from rankkit.io.formats import pyarrow_parquet
from rankkit.io.tables.parquet_files import as_text, is_bytes, is_image_file, is_list, is_sound, sample

ROWS = 16  # rows of one batch, whose image files are in memory together
FILES = 4  # parquet files that are open at once
EMPTY: Any = ()
NAMED = re.compile(r"image|img|jpe?g|png|webp|photo|picture|pixel", re.IGNORECASE)


def read_cell(path: str, column: str, row: int) -> bytes | str:
    """The bytes in a cell (`column` may name a field of a struct: "image.bytes"), or why there are none."""
    try:
        file = os.stat(path)
        data = _cells(path, column, (file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns)).get(row)
    except Exception as error:  # pyarrow raises its own family, which is not importable without it
        return f"cannot be read from the parquet file: {error}"
    if not isinstance(data, bytes):
        return "the cell holds no image"
    return data if len(data) <= MAX_BYTES else f"is {len(data)} bytes, more than the limit of {MAX_BYTES}"


class Cells:
    """A column of a parquet file, read forward in batches; a step back starts anew at its row group."""

    def __init__(self, path: str, column: str) -> None:
        self._file = pyarrow_parquet().ParquetFile(path)
        self._column, self._fields = split(self._file.schema_arrow.names, column)
        self._batches: Iterator[Any] = iter(())
        self._start, self._batch = 0, EMPTY
        self._lock = threading.Lock()
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        filled = [i for i, size in enumerate(sizes) if size]
        self._groups = filled
        self._firsts = list(accumulate((sizes[i] for i in filled), initial=0))[:-1]

    def get(self, row: int) -> Any:
        """The value in a row; None where the cell is empty. Raises IndexError beyond the last row."""
        with self._lock:
            group = bisect_right(self._firsts, row) - 1
            start = self._firsts[group] if self._firsts else 0
            if row < self._start or start > self._start + len(self._batch):
                self._start, self._batch = start, EMPTY
                self._batches = self._open(start)
            while row >= self._start + len(self._batch):
                self._start += len(self._batch)
                self._batch = next(self._batches, None) or self._next_group(self._start)
            value = self._batch.column(0)[row - self._start].as_py()
        for field in self._fields:
            if isinstance(value, list):
                value = value[int(field)]
            else:
                value = value.get(field) if isinstance(value, dict) else None
        return value

    def _open(self, start: int) -> Iterator[Any]:
        group = bisect_right(self._firsts, start) - 1
        if group < 0 or self._firsts[group] != start:
            raise IndexError("the file has no such row")
        groups = [self._groups[group]]
        return iter(self._file.iter_batches(ROWS, row_groups=groups, columns=[self._column]))

    def _next_group(self, start: int) -> Any:
        self._batches = self._open(start)
        return next(self._batches)


def split(names: list[str], column: str) -> tuple[str, list[str]]:
    """A path into a column: the column's name, which may itself hold dots, and the fields within."""
    name = max((name for name in names if f"{column}.".startswith(f"{name}.")), key=len, default=column)
    return name, [field for field in column[len(name) :].split(".") if field]


@lru_cache(maxsize=FILES)
def _cells(path: str, column: str, file: tuple[int, ...]) -> Cells:
    """A column that is open still; `file` tells whether the path leads to the same file as before."""
    return Cells(path, column)


def image_cells(path: Path) -> list[str]:
    """The columns of a parquet file that hold image files, "image.bytes" where they are fields of a struct,
    "images.*.bytes" where they stand in lists; none for any other file.
    """
    if path.suffix.lower() != ".parquet":
        return []
    try:
        with pyarrow_parquet().ParquetFile(path) as file:
            schema = file.schema_arrow
            paths = [path for field in schema for path in _paths(field.name, field.type)]
            return [path for path in paths if _are_images(file, path, schema.names)]
    except Exception:  # not a parquet file, or nothing here can read it: opening it as a table says so
        return []


def _paths(path: str, kind: Any) -> list[str]:
    """The paths to bytes within a type; where there is a field called `bytes`, to that one alone."""
    import pyarrow.types as types

    if types.is_struct(kind):
        inner = [field for field in kind if field.name == "bytes"] or list(kind)
        return [found for field in inner for found in _paths(f"{path}.{field.name}", field.type)]
    if is_list(kind):
        return [] if "*" in path else _paths(f"{path}.*", kind.value_type)
    return [path] if is_bytes(kind) else []


def _are_images(file: Any, path: str, names: list[str]) -> bool:
    """What the first cells hold decides; where they hold neither images nor anything else that is known, it
    is the names: of an `Image` of the datasets library, or of the column.
    """
    column, fields = split(names, path)
    values = [found for value in sample(file, column) for found in _within(value, fields)]
    if values and all(as_text(value) is not None for value in values):
        return False
    if any(map(is_image_file, values)):
        return True
    return not any(map(is_sound, values)) and (path.endswith(".bytes") or NAMED.search(column) is not None)


def _within(value: Any, fields: list[str]) -> list[bytes]:
    """The bytes at a path within a value."""
    if isinstance(value, list):
        return [found for each in value for found in _within(each, fields[1:])]
    if isinstance(value, dict) and fields:
        return _within(value.get(fields[0]), fields[1:])
    return [value] if isinstance(value, bytes) else []


def cells_of(path: Path, columns: list[str]) -> Iterator[list[str]]:
    """For each row the columns, those of lists once for every image in the list: "images.0.bytes"."""
    with _readable(path) as file:
        names = file.schema_arrow.names
        lists = list(dict.fromkeys(split(names, column)[0] for column in columns if "*" in column))
        for batch in file.iter_batches(ROWS, columns=[_lightest(file, name) for name in lists]):
            for row in range(batch.num_rows):
                sizes = {
                    name: len(batch.column(i)[row]) if batch.column(i)[row].is_valid else 0
                    for i, name in enumerate(lists)
                }
                yield [
                    column.replace("*", str(number), 1)
                    for column in columns
                    for number in range(sizes.get(split(names, column)[0], 1))
                ]


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[Any]:
    try:
        with pyarrow_parquet().ParquetFile(path) as file:
            yield file
    except Exception as error:  # of pyarrow's own family
        raise BadSource(f"{path}: cannot be read as parquet ({error}); is it complete?") from None


def _lightest(file: Any, column: str) -> str:
    """The part of a column of lists by which their lengths can be read: the paths beside the bytes."""
    leaves = [file.schema.column(i).path for i in range(len(file.schema))]
    return next((leaf for leaf in leaves if leaf.startswith(f"{column}.") and leaf.endswith(".path")), column)
