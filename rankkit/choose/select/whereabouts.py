"""Where the image of a candidate lies: a file of its own, or inside an archive or a parquet file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from rankkit.choose.select.candidates import Candidate
from rankkit.core.images import read
from rankkit.core.text import printable
from rankkit.errors import RankkitError
from rankkit.io.prompts import survey
from rankkit.io.prompts.base import Item
from rankkit.io.rows import locate

HOLDERS = (".tar", ".parquet")


class Whereabouts:
    """Finds images, and looks into each archive once."""

    def __init__(self) -> None:
        self._contents: dict[str, dict[str, Item]] = {}

    def holder(self, candidate: Candidate) -> tuple[str, str] | None:
        """The archive or parquet file that an image lies in, and its name there; None where it is in none."""
        if candidate.path is not None:
            return None
        for outer in _parents(candidate.image):
            found = locate(outer, candidate.beside) if outer.lower().endswith(HOLDERS) else None
            if found and os.path.isfile(found):
                return found, candidate.image[len(outer) + 1 :]
        return None

    def inside(self, holder: str, member: str) -> Item | None:
        """What can read an image out of an archive or a parquet file; None where it is not there."""
        if holder not in self._contents:
            self._contents[holder] = _contents(holder)
        return self._contents[holder].get(member)

    def read(self, candidate: Candidate) -> bytes | str:
        """The bytes of a candidate's image file, or the reason why they cannot be had."""
        if candidate.path is not None:
            return read(candidate.path)
        held = self.holder(candidate)
        item = self.inside(*held) if held else None
        return "does not exist" if item is None else item.read()

    def is_there(self, candidate: Candidate) -> bool:
        """Whether the image is a file of its own, or in an archive."""
        held = self.holder(candidate)
        return candidate.path is not None or (held is not None and self.inside(*held) is not None)


def _parents(name: str) -> Iterator[str]:
    at = name.rfind("/")
    while at > 0:
        yield name[:at]
        at = name.rfind("/", 0, at)


def _contents(holder: str) -> dict[str, Item]:
    """The images in an archive by the names that rows give them, without that of the archive."""
    try:
        (found,) = survey([holder])
        prefix = os.path.normpath(holder).replace(os.sep, "/") + "/"
        return {printable(item.name).removeprefix(prefix): item for item in found.items()}
    except RankkitError as error:
        raise RankkitError(f"{Path(holder)}: the images in it cannot be read: {error}") from None
