"""A table that says which image has which prompt: .jsonl, .csv, .tsv, .json or .parquet.

All its other columns become metadata. A table or a text file without names of images gives its prompts to
the images in the natural order of their names.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rankkit.errors import BadSource
from rankkit.io.cells import image_cells
from rankkit.io.prompts.base import Answer, Place, Root, Source, natural
from rankkit.io.prompts.layouts import parallel_text
from rankkit.io.prompts.reading.called import Called, called
from rankkit.io.prompts.reading.columns import (
    IMAGES,
    Ids,
    NumbersAlone,
    answer_of,
    image_names,
    names_images,
    of_each,
    prompt_column,
)
from rankkit.io.prompts.reading.line_lists import prompt_lines, why_no_list
from rankkit.io.prompts.reading.names import Names
from rankkit.io.prompts.reading.order import why_labelled, why_not, why_other
from rankkit.io.prompts.reading.texts import answer_in, read_text
from rankkit.io.tables import READERS, Table, open_table

NAME = "the manifest"
SEPARATED = re.compile(r"[#:|,;\s]")


def find(root: Root) -> Source | None:
    """The manifest that was named for this root. Raises `BadSource` for one of no use here."""
    if root.manifest is None or (root.manifest_only and image_cells(root.manifest)):
        return None
    if root.manifest.is_dir():
        return parallel_text.beside(root, root.manifest, name=NAME)
    if root.manifest.suffix.lower() == ".txt":
        texts, why = read_text(root.manifest)
        if why:
            raise BadSource(f"{root.manifest}: {why}; a prompt per line is expected")
        lines, places = prompt_lines(texts), list(root.walk())
        named = {os.path.basename(place.relative) for place in places} & set(map(_first, lines))
        if named:
            raise BadSource(
                f"{root.manifest}: its lines begin with names of images ({sorted(named)[0]}); write it as a "
                f".csv or .tsv table with a header: image and prompt"
            )
        if why := why_no_list(texts):
            raise BadSource(f"{root.manifest}: {why}")
        if why := why_labelled([place.relative for place in places], lines):
            raise BadSource(
                f"{root.manifest}: {why}; write it as a .csv table with a header: image and prompt"
            )
        return in_order(places, root.manifest, list(map(_of_line, lines)))
    if root.manifest.suffix.lower() not in READERS:
        raise BadSource(
            f"{root.manifest}: a manifest is a file in {', '.join(READERS)}, a .txt file with a prompt per "
            f"line, or a folder of .txt files; save a spreadsheet as .csv, and a dataset as .parquet"
        )
    table = open_table(root.manifest)
    if not root.manifest_only and not names_images(table) and prompt_column(table.columns()):
        return _without_names(root, table)
    notes = tuple(f"{table.path}: {note}" for note in (*table.notes, *_names_none(root, table)))
    return Source(NAME, lists=lambda: listed(root, table, named=True), notes=notes)


def _first(line: str) -> str:
    """What a line begins with, which may be a name: a.png, of "a.png#0 a cat" and of "a.png: a cat"."""
    return SEPARATED.split(line, maxsplit=1)[0]


def _names_none(root: Root, table: Table) -> list[str]:
    """What is to be said of a table of which the first names are none of the images that are asked for."""
    if root.manifest_only:
        return []
    some = [name for _, record in islice(table.records(), 1000) for name in image_names(record)]
    if not some or names_in(root, table, named=True).find_any(some):
        return []
    return [f"names no image of {root.label or 'this folder'}; it names {some[0][:80]!r}, for example"]


def names_in(root: Root, table: Table, *, named: bool = False) -> Names:
    """What finds the images that a table means; `named`: the user gave the table."""
    folder = str(table.path.parent)
    bases = [str(root.path), folder, str(root.path.parent)] if named else [folder, str(root.path)]
    return Names(root, table.path.name, [*bases, *([os.curdir] if named else [])], named=named)


def listed(root: Root, table: Table, *, named: bool = False) -> Iterator[tuple[Place, Answer]]:
    """The images that a table names, each with what its record says; `named`: the user gave the table."""
    names, ids, numbers = names_in(root, table, named=named), Ids(), NumbersAlone()
    by_value = not root.manifest_only  # what is to be scored is stated by name

    def looked_through() -> Iterator[str]:
        for _, record in table.records():
            found = image_names(record, by_value=by_value)
            ids.add(record, found)
            numbers.add(record)
            yield from found

    names.prefer(looked_through())
    shifted = names.why_shifted()
    for where, record in table.records():
        found = image_names(record, by_value=by_value)
        if not found and not root.manifest_only and prompt_column(record) is None:
            raise BadSource(
                f"{table.path}: has no column of prompts, and none that names images; its columns are "
                f"{', '.join(map(str, record))[:200] or 'none'}; call the one with the prompts 'prompt'"
            )
        if not found:
            raise BadSource(
                f"{table.path}, {where}: names no image; its columns are "
                f"{', '.join(map(str, record)) or 'none'}, expected one of {', '.join(IMAGES)}"
            )
        answer = numbers.without(answer_of(record, numbers_images=ids.number_images()))
        answer = Answer(why=shifted) if shifted else of_each(answer, len(found))
        for each in found:
            place = names.find(each)
            if place is not None:
                yield place, answer


def _without_names(root: Root, table: Table) -> Source:
    """A table of prompts without names of images: a column may hold what the images are called, as benchmarks
    number them; else its lines are in their order. Raises `BadSource` where columns name images and it is not
    known which of them the prompts are of.
    """
    walked = list(root.walk())
    found = called(table, walked)
    if found is None:
        return in_order(
            walked, table.path, [_first_text(answer_of(record)) for _, record in table.records()], table.notes
        )
    notes = (f"{table.path}: {found.column!r} names the images", *table.notes)
    return Source(NAME, lists=lambda: called_so(table, found), notes=notes)


def called_so(table: Table, found: Called) -> Iterator[tuple[Place, Answer]]:
    """The images by what a column of a table calls them, each with what the first of its records says:
    DPG-Bench has a row for each question about an image.
    """
    left = dict(found.places)
    for _, record in table.records():
        place = left.pop(found.of(record), None)
        if place is not None:
            yield place, answer_of(record)


def in_order(places: list[Place], path: Path, prompts: list[Answer], notes: tuple[str, ...] = ()) -> Source:
    """Prompts of the file `path` by the natural order of the images' names. Raises `BadSource`, with both
    counts, where there is not one for each image, and where the names tell of several for each.
    """
    places = sorted(places, key=lambda place: natural(place.relative))
    if len(places) != len(prompts) or not places:
        raise BadSource(
            f"{path} holds {len(prompts)} prompts and there are {len(places)} images; give one prompt per "
            f"image, in the order of their names, or a table that names the images"
        )
    names, texts = [place.relative for place in places], [" ".join(answer.texts[:1]) for answer in prompts]
    if why := why_not(names) or why_other(names, texts):
        raise BadSource(
            f"{path} holds as many prompts as there are images, but they are not in its order: {why}; give "
            f"a table that names the images"
        )
    numbers = NumbersAlone.of({"prompt": text} for answer in prompts for text in answer.texts)
    pairs = [(place, numbers.without(answer)) for place, answer in zip(places, prompts, strict=True)]
    said = f"{path}: its prompts go to the images in the order of their names"
    return Source(f"{path.name}, line by line", lists=lambda: iter(pairs), notes=(said, *notes))


def _first_text(answer: Answer) -> Answer:
    """An answer with one text at most, and without a group: its images are those of its prompt."""
    return replace(answer, texts=answer.texts[:1], group=None)


def _of_line(line: str) -> Answer:
    """A line as it stands, unless it is no prompt."""
    found = answer_in(line)
    return replace(found, texts=(line,)) if found.texts else found
