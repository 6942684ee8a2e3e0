"""Rows to and from .jsonl, .csv and .parquet: one `Format` each, chosen by the suffix; and what rows replace.

A row file is only ever replaced whole: a sink writes beside it and renames at the end, so that readers never
see half a file.
"""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO, cast

from rankkit.errors import BadRows, UsageError
from rankkit.io.atomic import replacing_file, settle
from rankkit.io.row_tables import FORMULA, Csv, Parquet, files_of, pyarrow_parquet
from rankkit.io.rows import FIELDS, NEEDED, TEXT_FIELDS, Row, Write, completed, how_to_go_on, why_stale
from rankkit.io.urls import check_here

__all__ = [
    "FORMATS",
    "FORMULA",
    "START",
    "TEXT_FIELDS",
    "Format",
    "Jsonl",
    "all_rows",
    "check_no_input",
    "check_row_output",
    "format_of",
    "from_json",
    "known_row",
    "pyarrow_parquet",
    "read_rows",
    "replacing",
    "to_json",
]

# how each line of ours begins: what tells a torn one from another kind of file
START = f'{{"{FIELDS[0]}": "'.encode()


class Format(Protocol):
    """One way to hold rows in a file."""

    def fields(self, path: Path) -> Collection[str] | None:
        """The names of the fields that a file holds, None where it holds nothing.

        Raises `BadRows` for a file that has no fields at all.
        """
        ...

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


def read_rows(path: str | os.PathLike[str], left_out: Callable[[Row], object] | None = None) -> Iterator[Row]:
    """The rows of a .jsonl, .csv or .parquet file, or of a folder of them, that count, one by one; a torn
    last line is left out.

    Rows of images that are gone, or whose prompt has changed since (`rankkit.io.rows.why_stale`), are kept
    in the file but do not count: `left_out` is called with each of them. Raises `BadRows` for a file that is
    not rows of ours, naming the file and the line.
    """
    return _counting(all_rows(path), left_out)


def _counting(rows: Iterator[Row], left_out: Callable[[Row], object] | None) -> Iterator[Row]:
    for row in rows:
        if why_stale(row) is None:
            yield row
        elif left_out is not None:
            left_out(row)


def all_rows(path: str | os.PathLike[str]) -> Iterator[Row]:
    """Every row of a file or of a folder of them, also those that no longer count; else as `read_rows`."""
    check_here(path)
    path = Path(path)
    if path.is_dir():
        return itertools.chain.from_iterable(map(all_rows, files_of(path)))
    kind = format_of(path)
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


def check_row_output(path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]] = ()) -> None:
    """Refuse a place for rows that holds anything but rows of ours, or that is one of the run's `inputs`.

    Raises `UsageError`. A file that is absent or empty may be written, and so may rows with a damaged line.
    """
    path = Path(path)
    kind = format_of(path)
    check_no_input(path, inputs, "the prompts or images of this run come from it")
    if not path.exists():
        return
    if not path.is_file():
        raise UsageError(f"{path}: is {'a folder' if path.is_dir() else 'no file'}; give another -o")
    try:
        fields = kind.fields(path)
    except BadRows:
        fields = ()
    if fields is None:
        return
    if not set(fields) >= NEEDED:
        raise UsageError(f"{path}: is no file of rankkit's rows and is left as it is; give another -o")
    if more := [str(name) for name in fields if name not in FIELDS]:
        raise UsageError(
            f"{path}: holds {', '.join(more[:5])} beside the fields of rankkit's rows, which would be lost; "
            f"give another -o"
        )


def check_no_input(
    path: str | os.PathLike[str], inputs: Iterable[str | os.PathLike[str]], reason: str, option: str = "-o"
) -> None:
    """Refuse an output that is also read. Raises `UsageError` with the reason."""
    for given in inputs:
        both_there = os.path.exists(path) and os.path.exists(given)
        if os.path.realpath(path) == os.path.realpath(given) or (
            both_there and os.path.samefile(path, given)
        ):
            raise UsageError(f"{os.fspath(path)}: {reason}; give another {option}")


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)


def to_json(row: Row) -> str:
    """One row as one line of JSON, without the line break; fields in the order of `FIELDS`."""
    return _ENCODER.encode(row)


class NotARow(ValueError):
    """A line is whole JSON, and says something else than a row does."""


def from_json(line: str | bytes) -> Row:
    """The row in one line of JSON. Raises ValueError when it is not one, `NotARow` when it is other JSON."""
    try:
        value = json.loads(line)
    except RecursionError:
        raise NotARow("not a row: it is nested too deep") from None
    if not isinstance(value, dict) or not value.keys() >= NEEDED:
        raise NotARow("not a row: group, image, ranker or score is missing")
    try:
        return completed(value)
    except ValueError as error:
        raise NotARow(f"not a row: {error}") from None


def known_row(line: str) -> Row:
    """The row in one line that `to_json` made in this run: it is not checked again."""
    return cast(Row, json.loads(line))


class Jsonl:
    """One JSON object per line; `options` and `details` are objects."""

    def fields(self, path: Path) -> Collection[str] | None:
        """The names in the first line; those of a row where it is one of ours that was torn."""
        with open(path, "rb") as file:
            line = next((line for line in file if line.strip()), None)
        if line is None:
            return None
        try:
            value = json.loads(line)
        except ValueError as error:
            if _torn(line, error):
                return FIELDS
            raise BadRows(f"{path}, line 1: not JSON ({error})") from None
        except RecursionError:
            raise BadRows(f"{path}, line 1: is nested too deep for a row") from None
        if not isinstance(value, dict):
            raise BadRows(f"{path}, line 1: is {type(value).__name__}, not an object with named fields")
        return value

    def reader(self, path: Path) -> Iterator[Row]:
        """Yield rows; the last line may be torn (a writer was killed), any other bad line is an error."""
        some = False
        with open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = from_json(line)
                except ValueError as error:
                    if _torn(line, error, after_rows=some):
                        return
                    advice = how_to_go_on(self.fields(path) or ()) if some else "give another file"
                    raise BadRows(
                        f"{path}, line {number}: not a row of rankkit ({error}); {advice}"
                    ) from None
                yield row
                some = True

    @contextmanager
    def writer(self, path: Path) -> Iterator[Write]:
        """Yield a function that appends one row."""
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            yield lambda row: _put(file, to_json(row) + "\n")
            settle(file)


FORMATS: dict[str, Format] = {".jsonl": Jsonl(), ".csv": Csv(), ".parquet": Parquet()}


def _put(file: TextIO, text: str) -> None:
    file.write(text)


def _torn(line: bytes, error: ValueError, *, after_rows: bool = False) -> bool:
    """Whether a line that is no row is the beginning of one, which a killed writer left at the end."""
    begins_as_ours = line[: len(START)] == START[: len(line)]
    return not isinstance(error, NotARow) and not line.endswith(b"\n") and (after_rows or begins_as_ours)
