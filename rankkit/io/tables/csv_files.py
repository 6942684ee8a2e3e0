"""Tables of cells between commas, tabs or other signs, as spreadsheets and pandas write them."""

from __future__ import annotations

import csv
import functools
import itertools
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from rankkit.errors import BadSource
from rankkit.io.tables.base import BLANK, Opened, Record, coding_note
from rankkit.io.text import open_text

SEPARATORS = ",;\t|"
UNNAMED = "Unnamed: 0"  # what pandas calls the numbers of rows that it wrote
SEPARATOR = re.compile(r"sep=(\W)[\r\n]", re.IGNORECASE)  # Excel's own first line


def open_csv(path: Path) -> Opened:
    """Cells below a header; the sign between them is stated, or read off the header."""
    file, coding = open_text(path)
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    with file:
        start = file.read(2**16).lstrip(BLANK)
    stated = SEPARATOR.match(start)
    separator = stated[1] if stated else usual if usual == "\t" else _separator(start)

    def full(file: TextIO) -> Iterator[tuple[int, list[str]]]:
        """The lines that hold anything, each with the number of its last one in the file."""
        csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        rows = csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True)
        try:
            found = ((rows.line_num, cells) for cells in rows if any(cell.strip(BLANK) for cell in cells))
            yield from itertools.islice(found, 1 if stated else 0, None)
        except csv.Error as error:
            raise BadSource(f"{path}, line {rows.line_num}: {error}") from None

    @functools.cache
    def first() -> str:
        """What the first column is called that has no name: pandas' word, unless it counts the lines."""
        with open(path, encoding=coding, newline="") as file:
            numbers = (cells[0].strip() for _, cells in itertools.islice(full(file), 1, None))
            return "" if all(map(str.__eq__, numbers, map(str, itertools.count()))) else UNNAMED

    def records() -> Iterator[tuple[str, Record]]:
        with open(path, encoding=coding, newline="") as file:
            yield from _rows(path, full(file), first)

    names = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}
    said = () if separator == usual else (f"separated by {names.get(separator, separator)}",)
    return records, (*said, *coding_note(coding))


def _rows(
    path: Path, full: Iterator[tuple[int, list[str]]], first: Callable[[], str]
) -> Iterator[tuple[str, Record]]:
    """The rows below the header, which may be repeated where files were joined."""
    _, found = next(full, (0, []))
    header = [name.strip(BLANK) for name in found]
    names = Counter(name.lower() for name in header if name)
    if twice := [name for name, count in names.items() if count > 1]:
        raise BadSource(f"{path}: its header names {', '.join(map(repr, twice))} twice; rename one column")
    called = [header[0] or first(), *header[1:]] if header else []
    for number, cells in full:
        cells[0] = cells[0].lstrip("\ufeff")
        if [cell.strip() for cell in cells] != header:
            yield f"line {number}", _cells(path, number, called, cells)


def _cells(path: Path, number: int, header: list[str], cells: list[str]) -> Record:
    """The cells by column. The first column may lack a name, as that of pandas' row numbers does; others
    without one have to be empty.
    """
    beyond = [*header, *[""] * (len(cells) - len(header))]
    named = sum(map(bool, header))
    if any(cell.strip() for name, cell in list(zip(beyond, cells, strict=False))[1:] if not name):
        raise BadSource(
            f"{path}, line {number}: it has {len(cells)} cells and the header {named}; put a "
            f'cell that holds the separator in double quotes ("a, b")'
        )
    return {name: cell for name, cell in zip(header, cells, strict=False) if name}


def _separator(start: str) -> str:
    """The sign that stands in the header, outside quotes: a comma, unless another stands there alone."""
    header = next(iter(re.split(r"[\r\n]", start)), "")
    outside = "".join(header.split('"')[::2])
    found = [sign for sign in SEPARATORS if sign in outside]
    return found[0] if len(found) == 1 else ","
