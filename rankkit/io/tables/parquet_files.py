"""Parquet as a table, and what the bytes in its cells are: image files, texts, or something else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rankkit.errors import BadSource, UsageError
from rankkit.io.formats import pyarrow_parquet
from rankkit.io.tables.base import Opened, Record
from rankkit.io.text import CONTROLS, POINTED, POINTER

SAMPLE = 16  # rows that tell what the bytes of a column are
IMAGES = (b"\x89PNG", b"\xff\xd8", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"\xff\x0a", b"P4", b"P5", b"P6")
SOUNDS = (b"ID3", b"fLaC", b"OggS", b"\xff\xfb", b"\xff\xf3")


def open_parquet(path: Path) -> Opened:
    """Rows without the bytes of images, which are read when their turn comes."""
    try:
        with pyarrow_parquet().ParquetFile(path) as file:
            schema = file.schema_arrow
            texts = {field.name for field in schema if is_bytes(field.type) and _are_texts(file, field.name)}
    except UsageError:
        raise
    except Exception as error:  # of pyarrow's own family
        with open(path, "rb") as start:
            said = POINTED if start.read(len(POINTER)) == POINTER else error
        raise BadSource(f"{path}: not a parquet file ({said})") from None
    if twice := [name for name, count in Counter(schema.names).items() if count > 1]:
        raise BadSource(f"{path}: it has two columns called {', '.join(map(repr, twice))}; rename one")
    columns = [field.name for field in schema if field.name in texts or not holds_bytes(field.type)]

    def records() -> Iterator[tuple[str, Record]]:
        number = 0
        try:
            with pyarrow_parquet().ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=1024, columns=columns):
                    for record in batch.to_pylist():
                        number += 1
                        yield f"row {number}", {**record, **{name: as_text(record[name]) for name in texts}}
        except Exception as error:  # of pyarrow's own family, or what dates and zones bring about
            raise BadSource(f"{path}, after row {number}: {error}") from None

    return records, ()


def is_bytes(kind: Any) -> bool:
    """Whether values of a pyarrow type are bytes."""
    import pyarrow.types as types

    kinds = ("binary", "large_binary", "fixed_size_binary", "binary_view")
    return any(getattr(types, f"is_{name}", lambda _: False)(kind) for name in kinds)


def is_list(kind: Any) -> bool:
    """Whether values of a pyarrow type are lists."""
    import pyarrow.types as types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def holds_bytes(kind: Any) -> bool:
    """Whether values of a pyarrow type are, or hold, bytes: an image file, as `datasets` keeps it."""
    import pyarrow.types as types

    if types.is_struct(kind):
        return any(holds_bytes(field.type) for field in kind)
    return holds_bytes(kind.value_type) if is_list(kind) else is_bytes(kind)


def sample(file: Any, column: str) -> list[Any]:
    """The first values of a column that are not empty, as they stand there."""
    group = next((i for i in range(file.num_row_groups) if file.metadata.row_group(i).num_rows), None)
    if group is None:
        return []
    batch = next(file.iter_batches(SAMPLE, row_groups=[group], columns=[column]), None)
    return [] if batch is None else [value for value in batch.column(0).to_pylist() if value]


def is_image_file(data: bytes) -> bool:
    """Whether bytes begin as the files of images do."""
    boxed = data[4:8] == b"ftyp" or data[:12].endswith(b"JXL ") or data[4:8] == b"jP  "
    return data.startswith(IMAGES) or boxed or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def is_sound(data: bytes) -> bool:
    """Whether bytes begin as the files of sounds do."""
    return data.startswith(SOUNDS) or (data[:4] == b"RIFF" and data[8:12] == b"WAVE")


def _are_texts(file: Any, column: str) -> bool:
    values = sample(file, column)
    return bool(values) and all(as_text(value) is not None for value in values)


def as_text(value: Any) -> str | None:
    """The text that bytes are, as some systems store all texts; None for other bytes."""
    try:
        text = value.decode() if isinstance(value, bytes) else None
    except UnicodeDecodeError:
        return None
    return None if text is None or CONTROLS.search(text) else text
