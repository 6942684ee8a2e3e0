"""Image files that stand in the cells of a parquet file, as the datasets library keeps them: read one after
the other, without the whole file in memory.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from rankkit.core.images import MAX_BYTES
from rankkit.errors import UsageError
from rankkit.io.formats import pyarrow_parquet
from rankkit.io.tables import holds_bytes

ROWS = 16  # rows of one batch, whose image files are in memory together
FILES = 4  # parquet files that are open at once
EMPTY: Any = ()


def read_cell(path: str, column: str, row: int) -> bytes | str:
    """The bytes in a cell (`column` may name a field of a struct: "image.bytes"), or why there are none."""
    try:
        data = _cells(path, column).get(row)
    except Exception as error:  # pyarrow raises its own family, which is not importable without it
        return f"cannot be read from the parquet file: {error}"
    if not isinstance(data, bytes):
        return "the cell holds no image"
    return data if len(data) <= MAX_BYTES else f"is {len(data)} bytes, more than the limit of {MAX_BYTES}"


class Cells:
    """A column of a parquet file, read forward in batches; a step back starts anew at its row group."""

    def __init__(self, path: str, column: str) -> None:
        self._file = pyarrow_parquet().ParquetFile(path)
        self._column, *self._fields = column.split(".")
        self._batches: Iterator[Any] = iter(())
        self._start, self._batch = 0, EMPTY
        self._lock = threading.Lock()
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        self._groups = [(sum(sizes[:i]), i) for i in range(len(sizes))]

    def get(self, row: int) -> Any:
        """The value in a row; None where the cell is empty. Raises IndexError beyond the last row."""
        with self._lock:
            start, group = max((found for found in self._groups if found[0] <= row), default=(0, 0))
            if row < self._start or start > self._start + len(self._batch):
                self._batches = self._file.iter_batches(ROWS, row_groups=[group], columns=[self._column])
                self._start, self._batch = start, EMPTY
            while row >= self._start + len(self._batch):
                self._start += len(self._batch)
                self._batch = next(self._batches, None) or self._next_group(self._start)
            value = self._batch.column(0)[row - self._start].as_py()
        for field in self._fields:
            value = value.get(field) if isinstance(value, dict) else None
        return value

    def _next_group(self, start: int) -> Any:
        group = next((i for first, i in self._groups if first == start), None)
        if group is None:
            raise IndexError("the file has no such row")
        self._batches = self._file.iter_batches(ROWS, row_groups=[group], columns=[self._column])
        return next(self._batches)


@lru_cache(maxsize=FILES)
def _cells(path: str, column: str) -> Cells:
    return Cells(path, column)


def image_cells(path: Path) -> list[str]:
    """The columns of a parquet file that hold image files, "image.bytes" where they are fields of a struct;
    none for any other file.
    """
    if path.suffix.lower() != ".parquet":
        return []
    try:
        with pyarrow_parquet().ParquetFile(path) as file:
            return [name for field in file.schema_arrow for name in _bytes_of(field)]
    except (OSError, ValueError, UsageError):  # not a parquet file, or nothing here can read one
        return []


def _bytes_of(field: Any) -> list[str]:
    import pyarrow.types as types

    if not holds_bytes(field.type):
        return []
    if not types.is_struct(field.type):
        return [field.name]
    return [f"{field.name}.{inner.name}" for inner in field.type if inner.name == "bytes"]
