"""Parquet as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rankkit.errors import BadSource
from rankkit.io.formats import pyarrow_parquet
from rankkit.io.tables.base import Opened, Record


def open_parquet(path: Path) -> Opened:
    """Rows without the bytes of images, which are read when their turn comes."""
    try:
        with pyarrow_parquet().ParquetFile(path) as file:
            schema = file.schema_arrow
    except (OSError, ValueError) as error:  # pyarrow's own errors are of these two
        raise BadSource(f"{path}: not a parquet file ({error})") from None

    if twice := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise BadSource(f"{path}: it has two columns called {', '.join(map(repr, twice))}; rename one")

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
            except (pyarrow.ArrowException, OSError, ValueError, ArithmeticError) as error:
                raise BadSource(f"{path}, after row {number}: {error}") from None

    return records, ()


def holds_bytes(kind: Any) -> bool:
    """Whether values of a pyarrow type are, or hold, bytes: an image file, as `datasets` keeps it."""
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(holds_bytes(field.type) for field in kind)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))
