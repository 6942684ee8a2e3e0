"""Where the image of a candidate lies: a file of its own, or inside an archive or a parquet file."""

from __future__ import annotations

from rankkit.choose.select.candidates import Candidate
from rankkit.core.images import read
from rankkit.io.prompts.base import Item
from rankkit.io.prompts.stored import StoredImages


class ImageFiles:
    """The image files of candidates; each archive is looked into once."""

    def __init__(self) -> None:
        self._stored = StoredImages()

    def holder(self, candidate: Candidate) -> tuple[str, str] | None:
        """The archive or parquet file that an image lies in, and its name there; None where it is in none."""
        return None if candidate.path is not None else self._stored.holder(candidate.image, candidate.beside)

    def inside(self, holder: str, member: str) -> Item | None:
        """What can read an image out of an archive or a parquet file; None where it is not there."""
        return self._stored.inside(holder, member)

    def read(self, candidate: Candidate) -> bytes | str:
        """The bytes of a candidate's image file, or the reason why they cannot be had."""
        if candidate.path is not None:
            return read(candidate.path)
        item = self._stored.item(candidate.image, candidate.beside)
        return "does not exist" if item is None else item.read()

    def is_there(self, candidate: Candidate) -> bool:
        """Whether the image is a file of its own, or in an archive."""
        return candidate.path is not None or self._stored.item(candidate.image, candidate.beside) is not None
