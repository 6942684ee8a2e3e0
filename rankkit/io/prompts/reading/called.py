"""Which column of a table of prompts holds what the images are called, by their names or numbers."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from rankkit.errors import BadSource
from rankkit.io.prompts.base import Place, natural
from rankkit.io.prompts.reading.columns import answer_of, file_columns, roles
from rankkit.io.prompts.reading.order import LONGEST_NUMBER, WORD, as_number, is_run
from rankkit.io.tables import Record, Table

NUMBERS = re.compile(  # what a column of the images' numbers is called; one of counts holds numbers too
    r"(?:.*[_ -]|g?u|uu)?(?:ids?|idx|index|no|num(?:ber)?|seed|key|name|file|image|img|sample|stem)"
    r"|.*[a-z](?-i:I[dD]|Idx|Index|No|Num|Number|Seed|Key|Name|File|Image|Sample)",
    re.IGNORECASE,
)
SUFFIX = re.compile(r"\.[A-Za-z]\w{0,4}")  # of a file of any kind; of a number there are digits alone
LONGEST = 6  # words of a piece of a name
UNNAMED = re.compile(r"unnamed: 0", re.IGNORECASE)  # what pandas calls the numbers of rows that it wrote
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

    Raises `BadSource` where columns hold them, or names of files, but not so that it is known which line is
    whose.
    """
    held = [_Held(key, walked) for key in (as_name, as_file, as_number)]
    files, lines = dict[str, None](), list[Texts]()
    for _, record in table.records():
        files |= dict.fromkeys(file_columns(record))
        lines.append(answer_of(record).texts)
        for each in held:
            each.add(record, lines[-1])
    if files:
        raise BadSource(
            f"{table.path}: {', '.join(map(repr, files))} name images in some or all lines, and it is not "
            "known which column does for the prompts; call that one 'image'"
        )
    for each in held:
        column = each.column(table.path, lines)
        if column is not None:
            return Called(column, each.places, each.key)
    _check_order(table, walked)
    return None


def _check_order(table: Table, walked: Sequence[Place]) -> None:
    """Raise `BadSource` for a column that tells another order than that of the lines: its values are pieces
    of the images' names, most of them of one, or numbers that count the lines.
    """
    pieces, columns = _pieces(walked), defaultdict[str, list[str]](list)
    for _, record in table.records():
        for column, value in record.items():
            columns[column].append(str(value).strip() if isinstance(value, (str, int)) else "")
    for column, values in columns.items():
        numbers = NUMBERS.fullmatch(column.strip()) or UNNAMED.fullmatch(column.strip())
        named = numbers or not _may_count(values)
        held = [pieces.get(_words(value), set()) if value and named else set[int]() for value in values]
        alone = {line: min(each) for line, each in enumerate(held) if len(each) == 1}
        told = all(held) and len(walked) == len(values) < 2 * len(set(alone.values())) == 2 * len(alone)
        if told and any(image != line for line, image in alone.items()):
            raise BadSource(
                f"{table.path}: {column!r} holds a piece of each image's name, in another order than the "
                "lines; name the images there as their files are called"
            )
        counts = [int(value) for value in values if value.isdecimal() and len(value) < LONGEST_NUMBER]
        if numbers and len(counts) == len(values) and counts != sorted(counts) and is_run(sorted(counts)):
            raise BadSource(
                f"{table.path}: its lines are numbered by {column!r}, and not in order (the first is "
                f"{counts[0]}); sort them, or name the images in a column 'image'"
            )


def _may_count(values: Sequence[str]) -> bool:
    """Whether values may be counts of anything: numbers, some alike or small and one after the other."""
    found = sorted(int(value) for value in values if value.isdecimal() and len(value) < LONGEST_NUMBER)
    alike = len(set(found)) < len(found)
    return bool(found) and (len(found) < len(values) or alike or (found[0] < 2 and is_run(found)))


def _pieces(walked: Sequence[Place]) -> dict[tuple[str, ...], set[int]]:
    """Which images, by their places in natural order, hold so many words in their names."""
    pieces = defaultdict[tuple[str, ...], set[int]](set)
    for number, place in enumerate(sorted(walked, key=lambda place: natural(place.relative))):
        words = _words(os.path.splitext(os.path.basename(place.relative))[0])
        for at in range(len(words)):
            for end in range(at + 1, min(at + LONGEST, len(words)) + 1):
                pieces[words[at:end]].add(number)
    return pieces


def _words(text: str) -> tuple[str, ...]:
    return tuple(as_name(word) if len(word) < LONGEST_NUMBER else word for word in WORD.findall(text.lower()))


def as_name(text: str) -> str:
    """A name for comparing: in one case, a number without leading zeros."""
    text = text.strip().casefold()
    return str(int(text)) if text.isascii() and text.isdecimal() else text


def as_file(text: str) -> str:
    """The name of a file without its folders, address and suffix; empty for what looks like none."""
    path = text.strip().partition("?")[0].replace("\\", "/")
    stem, suffix = os.path.splitext(path.rpartition("/")[2])
    is_suffix = SUFFIX.fullmatch(suffix) is not None
    name = stem if is_suffix else stem + suffix
    return as_name(unquote(name)) if is_suffix or ("/" in path and not name.isdecimal()) else ""


class _Held:
    """What the columns of a table hold of what the images are called, by one key."""

    def __init__(self, key: Callable[[str], str], walked: Sequence[Place]) -> None:
        own = as_name if key is as_file else key
        places = {own(os.path.splitext(os.path.basename(place.relative))[0]): place for place in walked}
        self.key = key
        self.places = places if len(places) == len(walked) and "" not in places else {}
        self._values: dict[str, dict[str, Texts]] = {}  # texts by what an image is called, for each column
        self._differ: set[str] = set()

    def add(self, record: Record, texts: Texts) -> None:
        """Take in a record, which has these prompts."""
        prompts = roles(tuple(record)).prompts if self.key is not as_name else ()
        for column, value in record.items():
            if column in prompts or not isinstance(value, (str, int)):
                continue
            known = self.key(str(value))
            if known in self.places:
                found = self._values.setdefault(column, {})
                if found.setdefault(known, texts) != texts:
                    self._differ.add(column)

    def column(self, path: Path, lines: Sequence[Texts]) -> str | None:
        """The column that is sure to say what each image is called; `lines` are the prompts of each line."""
        whole = {
            name: found
            for name, found in self._values.items()
            if len(found) == len(self.places) and name not in self._differ
        }
        if not whole:
            self._check_part(path)
            return None
        ordered = sorted(self.places, key=lambda known: natural(self.places[known].relative))
        in_order = dict(zip(ordered, lines, strict=True)) if len(lines) == len(ordered) else {}
        by_chance = self.key is not as_file and all(map(str.isdecimal, self.places))
        sure = {
            name: found for name, found in whole.items() if not by_chance or NUMBERS.fullmatch(name.strip())
        }
        if not sure and all(found == in_order for found in whole.values()):
            return None
        if not sure or any(found != next(iter(sure.values())) for found in sure.values()):
            raise BadSource(
                f"{path}: {', '.join(map(repr, sure or whole))} could number the images, and it is not "
                "known whether and which does; call that one 'id', or leave out what does not number them"
            )
        return next(iter(sure))

    def _check_part(self, path: Path) -> None:
        """Raise `BadSource` for a column that holds the names of most images; numbers may count the lines."""
        for name, found in self._values.items():
            if 2 * sum(not known.isdecimal() for known in found) > len(self.places):
                raise BadSource(
                    f"{path}: {name!r} names {len(found)} of the {len(self.places)} images, and not each "
                    "once with one prompt; name each there, or leave the column out to go by the order of "
                    "the lines"
                )
