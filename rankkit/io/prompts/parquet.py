"""Parquet files with the images inside, as the datasets library writes them: a column of
``{bytes, path}`` or of bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rankkit.errors import UsageError
from rankkit.io.formats import pyarrow_parquet
from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.reading.columns import answer_of
from rankkit.io.tables import holds_bytes, open_table

NAME = "parquet files with the images inside"


def find(root: Root) -> Source | None:
    """The images inside the parquet file that was named, or inside those of a folder."""
    if root.manifest_only and root.manifest is not None:
        return in_files(root, [root.manifest]) if image_columns(root.manifest) else None
    files = root.files_below(lambda name: name.lower().endswith(".parquet"))
    inside = [path for path in files if image_columns(path)]
    return in_files(root, inside) if inside else None


def image_columns(path: Path) -> list[str]:
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


def in_files(root: Root, files: list[Path]) -> Source:
    """Every image in the cells of these files, with the prompt and the metadata of its row."""

    def items() -> Iterator[tuple[Place, Answer]]:
        for path in files:
            columns = image_columns(path)
            for number, (_, record) in enumerate(open_table(path).records()):
                answer = answer_of(record)
                for column in columns:
                    which = f"-{column.partition('.')[0]}" if len(columns) > 1 else ""
                    name = f"{root.relative(path)}/{number:06}{which}"
                    yield Place(name, path=str(path), span=(number, 0), column=column), answer

    return Source(NAME, lists=items)
