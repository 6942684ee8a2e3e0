"""What the columns of a table mean: which hold prompts, which name images, and what is metadata."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from rankkit.core.images import SUFFIXES
from rankkit.io.prompts.base import Answer
from rankkit.io.prompts.reading.no_prompts import NUMBER_OR_ID
from rankkit.io.prompts.reading.texts import PROMPT, answer_in
from rankkit.io.tables import Record, Table

IMAGE = ("image", "image_path", "file_name", "path", "filename", "file_path", "image_name")
IMAGES = ("images", "file_names", "path1", "path2", "chosen", "rejected", *IMAGE)
FILE = re.compile(  # a value that names an image here, and no address elsewhere
    rf"(?!.*://)[^\n]{{1,500}}(?:{'|'.join(map(re.escape, sorted(SUFFIXES)))})", re.IGNORECASE
)
SPACES = re.compile(r"[\s-]+")
# An image that came of another one, that one, and what a prompt of both may be that is no caption.
_FILE = r"_?(?:image|img|file|path|name)s?(?:_path|_name)?"
EDITED = re.compile(rf"edited|(?:edited|edit|target|output|result){_FILE}")
ORIGINAL = re.compile(rf"(?:source|original|input|before|src){_FILE}")
# An image that the one beside it may be an edit of, whatever that is called.
EDITED_FROM = re.compile(
    r"(?:source|original|input|before|src)_(?:image|img)s?(?:_path|_name)?|kontext_images?"
    r"|ref(?:erence)?_images?|control_path(?:_\d)?|image_input"
)
# What an image was made from, beside that image: a prompt describes what was made.
GUIDE = re.compile(
    r"(?:source|original|input|before|src|init|control|cond(?:ition(?:ing)?)?|mask|depth|pose|canny|edges?"
    r"|scribble|sketch|seg(?:mentation)?|ref(?:erence)?|style)(?:_?(?:image|img|file|path|name)s?)*"
)
INSTRUCTIONS = ("prompt", "prompts", "text")
DIFFUSIONDB = {"p", "se", "c", "st", "sa"}  # prompt, seed, CFG scale, steps, sampler of a part-000001.json
GROUP = "group"
ID = "id"


def names_images(table: Table) -> bool:
    """Whether the records of a table name images, going by its first one; numbers are no names of files."""
    _, first = next(table.records(), ("", {}))
    named = (first[column] for column in image_columns(first))
    return bool(image_names(first)) or any(not isinstance(value, (int, float)) for value in named)


@dataclass(frozen=True, slots=True)
class Roles:
    """What the columns of a record are for, each as it is spelt there; the likeliest come first."""

    prompts: tuple[str, ...]
    images: tuple[str, ...]
    edited: str | None
    source: str | None
    group: str | None
    id: str | None


@functools.lru_cache(maxsize=256)
def roles(columns: tuple[str, ...]) -> Roles:
    """What the columns are for by their names, in any case, with ``_`` for spaces and hyphens; of two
    spellings the one in small letters.
    """
    by_name = {SPACES.sub("_", column.strip().lower()): column for column in sorted(columns, key=str.islower)}
    images = [by_name[name] for name in IMAGES if name in by_name]
    images += [column for name, column in by_name.items() if name.endswith(("_file_name", "_file_names"))]
    images = list(made(images))
    prompts = tuple(by_name[name] for name in PROMPT if name in by_name)
    if by_name.keys() >= DIFFUSIONDB:
        prompts += (by_name["p"],)
    edited = [column for name, column in by_name.items() if EDITED.fullmatch(name)]
    from_one = any(map(ORIGINAL.fullmatch, by_name)) or bool(set(images) - set(edited))
    both = edited[0] if edited and from_one else None
    sources = [column for name, column in by_name.items() if EDITED_FROM.fullmatch(name)]
    source = next((column for column in sources if column not in images), None)
    return Roles(prompts, tuple(images), both, source, by_name.get(GROUP), by_name.get(ID))


def prompt_column(columns: Iterable[str]) -> str | None:
    """The column that holds the prompts, in any case of its letters."""
    return next(iter(roles(tuple(columns)).prompts), None)


def image_columns(columns: Iterable[str]) -> tuple[str, ...]:
    """The columns that name images, in any case: the known ones, and all that end in `file_name(s)`."""
    return roles(tuple(columns)).images


def image_names(record: Record, *, by_value: bool = True) -> list[str]:
    """The names of images in a record: texts, lists of texts, or objects with a `path`.

    Where no column is known by its own name to name images, the one whose value names an image file does, but
    not without `by_value`, nor where it names what an image was made from.
    """
    found: list[str] = []
    columns = roles(tuple(record)).images
    if by_value and not columns:
        files = file_columns(record)  # of two, nothing says which is the source and which was made of it
        columns = files if len(files) == 1 and not is_guide(files[0]) else ()
    for column in columns:
        value = record[column]
        for each in value if isinstance(value, (list, tuple)) else [value]:
            name = each.get("path") or each.get("file_name") if isinstance(each, Mapping) else each
            found += [name] if isinstance(name, str) and name.strip() else []
    return list(dict.fromkeys(found)) if len(found) > 1 else found


def file_columns(record: Record) -> tuple[str, ...]:
    """The columns whose value is the name of an image file, or a list of some, whatever they are called, but
    for prompts.
    """
    prompts = roles(tuple(record)).prompts
    return tuple(column for column, value in record.items() if column not in prompts and _are_files(value))


def _are_files(value: object) -> bool:
    if isinstance(value, (list, tuple)):
        return bool(value) and all(isinstance(each, str) and _are_files(each) for each in value)
    return isinstance(value, str) and FILE.fullmatch(value.strip()) is not None


def made(columns: Sequence[str]) -> tuple[str, ...]:
    """Of columns of images those that hold what was made, where others hold what it was made from."""
    found = tuple(column for column in columns if not is_guide(column))
    return found or tuple(columns)


def is_guide(column: str) -> bool:
    """Whether a column is called as one is that holds what images were made from: ``conditioning_image``."""
    return GUIDE.fullmatch(SPACES.sub("_", column.strip().lower())) is not None


def answer_of(record: Record, *, numbers_images: bool = True) -> Answer:
    """What a record says: the first prompt column that gives a text, the group, and all else as metadata."""
    known = roles(tuple(record))
    used, answer = "", Answer(why=f"has no prompt; its columns are {', '.join(record)[:200]}")
    for column in known.prompts:
        found = answer_in(record[column])
        if found.texts or not used:
            used, answer = column, found
        if found.texts:
            break
    if answer.texts and used.lower() in INSTRUCTIONS and (edit := _edit(record, known)):
        answer = Answer(why=f"may be an instruction {edit}, and not what the image shows")
    keys = (known.group, None if numbers_images else known.id)
    groups = [record[key] for key in keys if key is not None]
    group = next((str(value) for value in groups if value not in (None, "")), None)
    taken = {used, *keys, *known.images}
    metadata = {key: value for key, value in record.items() if key not in taken and value is not None}
    return Answer(answer.texts, answer.why, metadata, group, answer.syntax)


def _edit(record: Record, known: Roles) -> str:
    """What the prompt of a record may have led to; empty where the record tells of no edit."""
    if known.edited:
        return f"that led to {known.edited!r}"
    value = record[known.source] if known.source is not None else ""
    told = value not in ("", []) and (value is not None or bool(known.images))
    return f"to edit {known.source!r}" if told else ""


def of_each(answer: Answer, images: int) -> Answer:
    """What a record says of each of its images; nothing where it has several texts and several images."""
    if images < 2 or len(answer.texts) < 2:
        return answer
    why = f"its row has {images} images and {len(answer.texts)} prompts, and whose they are is not known"
    return replace(answer, texts=(), why=why)


class NumbersAlone:
    """Whether the prompts of a table are numbers or ids alone, as those of classes are: among words, as in
    PartiPrompts, a number is a prompt.
    """

    why = "is a number, as all in its column are, or an id, and no words"

    def __init__(self) -> None:
        self._words = self._numbers = False

    def add(self, record: Record) -> None:
        """Take in a record."""
        for text in answer_of(record).texts if not self._words else ():
            self._numbers |= (number := NUMBER_OR_ID.fullmatch(text) is not None)
            self._words |= not number

    def without(self, answer: Answer) -> Answer:
        """The answer; without its prompts where the records that were taken in hold numbers alone."""
        alone = self._numbers and not self._words
        return replace(answer, texts=(), why=self.why) if alone else answer

    @classmethod
    def of(cls, records: Iterable[Record]) -> NumbersAlone:
        """Those of a table, which is read up to the first words."""
        numbers = cls()
        for record in records:
            numbers.add(record)
            if numbers._words:
                break
        return numbers


class Ids:
    """Whether `id` tells images apart and not groups: no id has two images, or one has two prompts."""

    def __init__(self) -> None:
        self._images: dict[str, str] = {}
        self._prompts: dict[str, str] = {}
        self._several = self._differ = False

    def add(self, record: Record, names: Sequence[str]) -> None:
        """Take in a record and the images that it names."""
        known = roles(tuple(record))
        value = record[known.id] if known.id is not None else None
        if value in (None, ""):
            return
        key, column = str(value), next(iter(known.prompts), None)
        first = names[0] if names else ""
        self._several |= len(names) > 1 or self._images.setdefault(key, first) not in names
        prompt = str(record[column]).strip() if column else ""
        self._differ |= self._prompts.setdefault(key, prompt) != prompt

    def number_images(self) -> bool:
        """What the records that were taken in show."""
        return self._differ or not self._several
