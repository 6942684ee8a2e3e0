"""The image that a row names, found again: a file, a member of an archive, a cell of a parquet file, or one
of several in the grid of a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from rankkit.core.images import Decoded, decode, read, tile_of
from rankkit.core.text import printable
from rankkit.errors import RankkitError
from rankkit.io.prompts.base import Item
from rankkit.io.prompts.survey import survey
from rankkit.io.prompts.tiles import file_of, tile_in
from rankkit.io.rows import locate

HOLDERS = (".tar", ".parquet")


class StoredImages:
    """Finds images by the names that rows give them; each archive is looked into once."""

    def __init__(self) -> None:
        self._contents: dict[str, dict[str, Item]] = {}

    def read(self, name: str, beside: str | os.PathLike[str]) -> bytes | str:
        """The bytes of the file that holds an image, or the reason why they cannot be had.

        A name is a path as it stands, else one beside the row file `beside`.
        """
        path = locate(name, beside)
        if path is not None:
            return read(path)
        item = self.item(name, beside)
        if item is not None:
            return item.read()
        return self.read(file_of(name), beside) if tile_in(name) else "does not exist"

    def decode(self, data: bytes, name: str, beside: str | os.PathLike[str]) -> Decoded:
        """The image in these bytes that a name means: the whole, or one in a grid."""
        tile = None if locate(name, beside) is not None else tile_in(name)
        decoded = decode(data)
        return decoded if tile is None else tile_of(decoded, tile)

    def holder(self, name: str, beside: str | os.PathLike[str]) -> tuple[str, str] | None:
        """The archive or parquet file that an image lies in, and its name there; None where it is in none."""
        for outer in _parents(name):
            found = locate(outer, beside) if outer.lower().endswith(HOLDERS) else None
            if found and os.path.isfile(found):
                return found, name[len(outer) + 1 :]
        return None

    def item(self, name: str, beside: str | os.PathLike[str]) -> Item | None:
        """What can read an image that lies in an archive or a parquet file; None where it is in none."""
        held = self.holder(name, beside)
        return self.inside(*held) if held else None

    def inside(self, holder: str, member: str) -> Item | None:
        """What can read an image out of an archive or a parquet file; None where it is not there."""
        if holder not in self._contents:
            self._contents[holder] = _contents(holder)
        return self._contents[holder].get(member)


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
        raise RankkitError(f"{holder}: the images in it cannot be read: {error}") from None
