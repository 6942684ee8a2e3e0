"""What a table is, and what holds for those of every kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = Mapping[str, Any]
DEPTH = 64  # levels of lists and objects in one record
BLANK = "\ufeff\xa0 \t\r\n\v\f"  # also a byte order mark, which stands in the middle where files were joined

Opened = tuple[Callable[[], Iterator[tuple[str, Record]]], tuple[str, ...]]


@dataclass(frozen=True)
class Table:
    """A table at a path; `notes` says how it was read where that is not a matter of course."""

    path: Path
    records: Callable[[], Iterator[tuple[str, Record]]]
    notes: tuple[str, ...] = ()

    def columns(self) -> list[str]:
        """The names of the columns that any record has, in the order of their first appearance."""
        return list(dict.fromkeys(name for _, record in self.records() for name in record))


def too_deep(value: Any, levels: int = DEPTH) -> bool:
    """Whether lists and objects stand in each other more than `levels` deep."""
    inner = (
        value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    )
    return any(levels <= 0 or too_deep(each, levels - 1) for each in inner if not isinstance(each, str))


def coding_note(coding: str) -> tuple[str, ...]:
    """What is to be said of the coding that a text was read in."""
    return ("read as Windows-1252, because it is not UTF-8",) if coding == "cp1252" else ()
