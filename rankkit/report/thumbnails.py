"""A row's image as a thumbnail that travels inside the page, or the reason why there is none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image

from rankkit.core.images import data_uri, fingerprint
from rankkit.errors import RankkitError
from rankkit.io.prompts.stored import StoredImages


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A thumbnail as a data URI with its size in pixels, or the `problem`.

    `sha256` is that of the file as it is now.
    """

    uri: str = ""
    width: int = 0
    height: int = 0
    problem: str | None = None
    sha256: str = ""


def thumbnail_of(
    name: str, beside: str | os.PathLike[str], size: int, images: StoredImages | None = None
) -> Thumbnail:
    """The thumbnail of the image that a row names, at most `size` pixels on either side.

    The image is found as the row file finds it, in an archive too (`images` looks into each once). Never
    raises for a file.
    """
    images = images or StoredImages()
    try:
        data = images.read(name, beside)
    except RankkitError as error:
        return Thumbnail(problem=str(error))
    if isinstance(data, str):
        return Thumbnail(problem=f"the file {data}")
    decoded = images.decode(data, name, beside)
    if decoded.image is None:
        return Thumbnail(problem=decoded.error or "cannot be decoded", sha256=fingerprint(data))
    small = decoded.image
    small.thumbnail((size, size), Image.Resampling.LANCZOS, reducing_gap=3.0)
    return Thumbnail(data_uri(small), small.width, small.height, None, fingerprint(data))


def changed(now: Thumbnail, then: Iterable[str]) -> bool:
    """Whether the file is another one than at least one of the rows was made from.

    Rows without a digest say nothing.
    """
    return bool(now.sha256) and any(digest and digest != now.sha256 for digest in then)
