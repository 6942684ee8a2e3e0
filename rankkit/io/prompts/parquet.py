"""Parquet files with the images inside, as the datasets library writes them: a column of
``{bytes, path}`` or of bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

from rankkit.errors import BadSource
from rankkit.io.cells import cells_of, image_cells
from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.reading.columns import NumbersAlone, answer_of, made, of_each
from rankkit.io.tables import open_table

NAME = "parquet files with the images inside"
GUIDE = Answer(why="is what another image of its row was made from, and the prompt describes that one")


def find(root: Root) -> Source | None:
    """The images inside the parquet file that was named, or inside those of a folder."""
    if root.manifest_only and root.manifest is not None:
        return in_files(root, [root.manifest]) if image_cells(root.manifest) else None
    files = root.files_below(lambda name: name.lower().endswith(".parquet"))
    inside = [path for path in files if image_cells(path)]
    broken = [str(error) for path in files if path not in inside and (error := _fault(path))]
    return in_files(root, inside, tuple(broken)) if inside or broken else None


def _fault(path: Path) -> BadSource | None:
    try:
        open_table(path)
    except BadSource as error:
        return error
    return None


def in_files(root: Root, files: list[Path], notes: tuple[str, ...] = ()) -> Source:
    """Every image in the cells of these files, with the prompt and the metadata of its row."""

    def items() -> Iterator[tuple[Place, Answer]]:
        for path in files:
            columns = image_cells(path)
            rows = cells_of(path, columns) if any("*" in column for column in columns) else repeat(columns)
            records = open_table(path).records()
            numbers = NumbersAlone.of(record for _, record in open_table(path).records())
            images = dict.fromkeys(column.partition(".")[0] for column in columns)
            described = made(tuple(images))
            for number, ((_, record), cells) in enumerate(zip(records, rows, strict=False)):
                answer = numbers.without(answer_of({**images, **record}))
                answer = of_each(answer, sum(column.partition(".")[0] in described for column in cells))
                for column in cells:
                    which = f"-{column.removesuffix('.bytes')}" if len(columns) > 1 or len(cells) > 1 else ""
                    name = f"{root.relative(path)}/{number:06}{which}"
                    own = answer
                    if answer.texts and column.partition(".")[0] not in described:
                        own = GUIDE
                    yield Place(name, path=str(path), span=(number, 0), column=column), own

    return Source(NAME, lists=items, notes=notes)
