"""Images as a person sees them: the pixels that rankers get, and nothing of the file."""

from __future__ import annotations

import io

from rankkit.core.images import decode
from rankkit.io.prompts import Item


def as_png(item: Item) -> bytes | str:
    """An image as a PNG without metadata, so that nothing tells which file it is, or why it cannot be shown.

    It is decoded as for rankers: turned by its EXIF orientation, without alpha, the first frame alone.
    """
    data = item.read()
    if isinstance(data, str):
        return data
    found = decode(data)
    if found.image is None:
        return found.error or "cannot be decoded"
    buffer = io.BytesIO()
    found.image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
