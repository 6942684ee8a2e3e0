"""HPSv2's and HPSv3's benchmark folders: a list of prompts per style (``anime.json``) and, in the folder of
the same name, an image for each: ``anime/00000.jpg``.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Mapping, Sequence
from typing import Any

from rankkit.io.prompts.base import Answer, Place, Root, Source, folders
from rankkit.io.prompts.reading.called import NUMBERS
from rankkit.io.prompts.reading.columns import image_names
from rankkit.io.prompts.reading.texts import answer_in, read_text

NAME = "lists of prompts per style (HPSv2, HPSv3)"
NUMBER = re.compile(r"([0-9]+)\.\w+$")


def find(root: Root) -> Source | None:
    """The images below a folder that has a JSON list of prompts beside it, by the numbers in their names."""
    if root.files or not root.path.is_dir():
        return None
    own = root.path.absolute()
    lists = {name: root.path / f"{name}.json" for name in folders(root.path)}
    lists[""] = own.parent / f"{own.name}.json"  # the folder of one style may be all that is scored
    lists = {style: path for style, path in lists.items() if os.path.isfile(path)}
    if not lists:
        return None

    @functools.lru_cache(maxsize=64)
    def prompts_of(style: str) -> tuple[Answer, ...]:
        text, _ = read_text(lists[style]) if style in lists else ("", "")
        try:
            value = json.loads(text) if text.startswith("[") else []
        except (ValueError, RecursionError):
            return ()
        if _numbered_otherwise([each if isinstance(each, dict) else {} for each in value]):
            return ()
        answers = tuple(answer_in(each) for each in value if isinstance(each, (str, dict)))
        return answers if len(answers) == len(value) else ()

    @functools.lru_cache(maxsize=64)
    def why_not(style: str) -> str:
        """Why the numbers in the images' names are not those of the prompts; empty where they may be."""
        try:
            found = list(map(NUMBER.fullmatch, os.listdir(root.path / style)))
        except OSError:  # a table may name images in a folder that is not there
            return ""
        numbers, count = {int(number[1]) for number in found if number}, len(prompts_of(style))
        if 0 not in numbers and count in numbers:
            return f"the images of {style} are counted from 1, and {style}.json from 0"
        last = max(numbers, default=0)
        return f"{lists[style].name} holds {count} prompts, and an image has number {last}" * (last >= count)

    def knows(place: Place) -> Answer | None:
        style, _, name = place.relative.rpartition("/")
        number = NUMBER.fullmatch(name)
        prompts = prompts_of(style) if number else ()
        if not prompts or number is None:
            return None
        if why := why_not(style):
            return Answer(why=why)
        found = prompts[int(number[1])]
        return Answer(found.texts, found.why, {"style": lists[style].stem})

    return Source(NAME, knows=knows)


def _numbered_otherwise(records: Sequence[Mapping[str, Any]]) -> bool:
    """Whether objects of a list name images, or have other numbers than their places: lists of choices do,
    and tables that were sorted or are a part of one. Numbers some of which are alike count nothing.
    """
    for place, record in enumerate(records):
        number = next((record[name] for name in ("id", "index") if name in record), place)
        if image_names(record) or str(number) != str(place):
            return True
    columns = {name for record in records for name in record if NUMBERS.fullmatch(name)}
    for name in (name for name in columns if "seed" not in name.lower()):
        numbers = {place: str(record.get(name)) for place, record in enumerate(records)}
        apart = len(set(numbers.values())) == len(numbers) and all(map(str.isdecimal, numbers.values()))
        if apart and any(int(number) != place for place, number in numbers.items()):
            return True
    return False
