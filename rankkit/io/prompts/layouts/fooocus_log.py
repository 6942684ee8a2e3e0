"""Fooocus's private log: ``log.html`` beside the images, with what each was made by."""

from __future__ import annotations

import functools
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

from rankkit.core.images import read
from rankkit.io.prompts.base import Answer, Place, Root, Source
from rankkit.io.prompts.embedded import fooocus
from rankkit.io.prompts.reading.texts import answer_of_found

NAME = "Fooocus's log.html"
FILE = "log.html"
LONGEST = 2**26  # bytes of a log
TITLE = re.compile(r"(?:<title>|<p>)Fooocus Log ")
# An entry begins with the image's name, thrice; texts in it stand as they were typed, tags included.
ENTRY = re.compile(r"<div id=\"([^\"]+)\" class=\"image-container\">\s*<hr>\s*<table>\s*<tr>\s*")
IMAGE = re.compile(r"<td><a href=[\"']([^\"']+)[\"'][^>]*><img src=[\"']\1[\"']")
SETTINGS = re.compile(r"to_clipboard\('([^']*)'\)")  # JSON, percent-encoded, on the button behind the table


def find(root: Root) -> Source | None:
    """The images below that the log in their folder names, each with the prompt that was typed."""
    if root.files or not root.path.is_dir():
        return None
    logs = {root.relative(path.parent): path for path in root.files_below(lambda name: name == FILE)}
    if not logs:
        return None

    @functools.lru_cache(maxsize=64)
    def answers_of(folder: str) -> dict[str, Answer]:
        return answers_in(_text(logs[folder])) if folder in logs else {}

    def why_not(folder: str, path: Path) -> str:
        text = "" if answers_of(folder) else _text(path)
        return f"{path} is not read: its entries are none of a version that is known" if text else ""

    def knows(place: Place) -> Answer | None:
        folder, _, name = place.relative.rpartition("/")
        return answers_of(folder).get(name)

    return Source(NAME, knows=knows, notes=tuple(filter(None, (why_not(*each) for each in logs.items()))))


def answers_in(text: str) -> dict[str, Answer]:
    """What a log says of each image; nothing of one that it names twice, or without its settings as JSON."""
    starts = list(ENTRY.finditer(text))
    ends = [*(entry.start() for entry in starts[1:]), len(text)]
    times = Counter(entry[1] for entry in starts)
    answers = {}
    for entry, end in zip(starts, ends, strict=False):
        image, settings = IMAGE.match(text, entry.end()), SETTINGS.findall(text, entry.end(), end)
        if image and settings and times[entry[1]] == 1 and entry[1] == image[1].replace(".", "_"):
            found = fooocus.read({"parameters": unquote(settings[-1])})
            if found is not None:
                answers[image[1]] = answer_of_found(found)
    return answers


def _text(path: Path) -> str:
    """The text of a log of Fooocus; empty for any other file, and for one that cannot be read."""
    data = read(path, (0, LONGEST + 1))
    if isinstance(data, str) or len(data) > LONGEST:
        return ""
    text = data.decode("utf-8", "replace")
    return text if TITLE.search(text[:10_000]) else ""
