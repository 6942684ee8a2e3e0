"""Which column of a table of prompts holds what the images are called, by their names or numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rankkit.errors import BadSource
from rankkit.io.prompts.base import Place, natural
from rankkit.io.prompts.reading.columns import answer_of, roles
from rankkit.io.tables import Record, Table

NUMBERED = re.compile(r"[^\d\n]{0,80}(\d{1,30})[^\d\n]{0,80}", re.ASCII)
NUMBERS = re.compile(  # what a column of the images' numbers is called; one of counts holds numbers too
    r"(?:.*[_ -])?(?:ids?|idx|index|no|num(?:ber)?|seed|key|name|file|image|img|sample|stem)", re.IGNORECASE
)
Texts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Called:
    """A column that holds what each image is called, and the images by that."""

    column: str
    places: Mapping[str, Place]
    key: Callable[[str], str]

    def of(self, record: Record) -> str:
        """What the image of a record is called, for looking it up in `places`."""
        return self.key(str(record.get(self.column, "")))


def called(table: Table, walked: Sequence[Place]) -> Called | None:
    """The column that holds the names of all images, or the one number in each, every one with one prompt.

    Raises `BadSource` where columns hold them, but not so that it is known which line is whose.
    """
    for key in (as_name, as_number):
        places = {key(os.path.splitext(os.path.basename(place.relative))[0]): place for place in walked}
        if len(places) == len(walked) and "" not in places:
            column = _column(table, places, key)
            if column is not None:
                return Called(column, places, key)
    return None


def as_name(text: str) -> str:
    """A name for comparing: in one case, a number without leading zeros."""
    text = text.strip().casefold()
    return str(int(text)) if text.isascii() and text.isdecimal() else text


def as_number(text: str) -> str:
    """The number in a name, without leading zeros; empty where there is none or more than one."""
    found = NUMBERED.fullmatch(text.strip())
    return str(int(found[1])) if found else ""


def _column(table: Table, places: Mapping[str, Place], key: Callable[[str], str]) -> str | None:
    lines: list[Texts] = []
    values: dict[str, dict[str, Texts]] = {}
    differ = set[str]()
    for _, record in table.records():
        texts = answer_of(record).texts
        lines.append(texts)
        prompts = roles(tuple(record)).prompts if key is as_number else ()
        for column, value in record.items():
            if column in prompts or not isinstance(value, (str, int)):
                continue
            known = key(str(value))
            if known in places and values.setdefault(column, {}).setdefault(known, texts) != texts:
                differ.add(column)
    whole = {
        name: found for name, found in values.items() if len(found) == len(places) and name not in differ
    }
    if not whole:
        _check_part(table, values, len(places))
        return None
    ordered = sorted(places, key=lambda known: natural(places[known].relative))
    in_order = dict(zip(ordered, lines, strict=True)) if len(lines) == len(ordered) else {}
    sure = {name: found for name, found in whole.items() if _names(name, places)}
    if not sure and all(found == in_order for found in whole.values()):
        return None
    if not sure or any(found != next(iter(sure.values())) for found in sure.values()):
        raise BadSource(
            f"{table.path}: {', '.join(map(repr, sure or whole))} could number the images, and it is not "
            "known whether and which does; call that one 'id', or leave out what does not number them"
        )
    return next(iter(sure))


def _names(column: str, places: Mapping[str, Place]) -> bool:
    """Whether a column that holds what all images are called does so by more than chance."""
    return NUMBERS.fullmatch(column.strip()) is not None or not all(map(str.isdecimal, places))


def _check_part(table: Table, values: Mapping[str, Mapping[str, Texts]], count: int) -> None:
    """Raise `BadSource` for a column that holds the names of most images; numbers may count the lines."""
    for name, found in values.items():
        if 2 * sum(not known.isdecimal() for known in found) > count:
            raise BadSource(
                f"{table.path}: {name!r} names {len(found)} of the {count} images, and not each once "
                "with one prompt; name each there, or leave the column out to go by the order of the lines"
            )
