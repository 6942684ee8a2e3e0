"""The text chunks of a PNG, wherever they stand in it, without its pixels."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import BinaryIO

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")
MOST_CHUNKS, MOST_BYTES = 200_000, 2**24  # of a whole file


def texts_alone(path: str) -> bytes | None:
    """A PNG of one pixel with the text chunks of the one at `path`; None where that has none.

    Chunks beyond 16 MiB in all are left out. Raises `OSError` where the file cannot be read.
    """
    with open(path, "rb") as file:
        if file.read(8) != SIGNATURE:
            return None
        texts = b"".join(_texts(file))
    if not texts:
        return None
    header = b"\0\0\0\x01\0\0\0\x01\x08\0\0\0\0"  # one pixel, 8 bit grey
    pixel = zlib.compress(b"\0\0")
    return SIGNATURE + _chunk(b"IHDR", header) + texts + _chunk(b"IDAT", pixel) + _chunk(b"IEND", b"")


def _texts(file: BinaryIO) -> Iterator[bytes]:
    left = MOST_BYTES
    for _ in range(MOST_CHUNKS):
        head = file.read(8)
        size, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or kind == b"IEND":
            return
        if kind in TEXTS and size <= left:
            body = file.read(size + 4)
            if len(body) < size + 4:
                return
            left -= size
            yield head + body
        else:
            file.seek(size + 4, 1)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
