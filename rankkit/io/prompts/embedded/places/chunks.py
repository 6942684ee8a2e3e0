"""The text chunks of a PNG and the text segments of a JPEG, wherever they stand, without the pixels.

Where those of one name differ, each is had: readers of such a file go by the first or by the last.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import BinaryIO

EDGE = 2**16  # bytes of either end of a file that are searched for a sign of a text
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
TEXTS = (b"tEXt", b"zTXt", b"iTXt", b"eXIf")
MOST_CHUNKS, MOST_BYTES = 200_000, 2**24  # of a whole file
MOST_OF_A_NAME = 8  # that are read, where they differ: the first ones and the last

# Segments of a JPEG that hold texts, by how they begin; an EXIF that goes on from another has no such head.
SEGMENTS = (
    (0xE1, b"Exif\0\0MM\0*"),
    (0xE1, b"Exif\0\0II*\0"),
    (0xE1, b"http://ns.adobe.com/xap/1.0/\0"),
    (0xFE, b""),
)
SCAN, ALONE = 0xDA, {0x01, *range(0xD0, 0xD9)}  # markers that have no length

Named = dict[bytes, list[bytes]]


def opened(path: str, head: bytes) -> BinaryIO:
    """The file at `path`, from memory where its first `EDGE` bytes, which were read before, are all of it."""
    if 0 < len(head) < EDGE:
        return BytesIO(head)
    return open(path, "rb")


def texts_of_png(file: BinaryIO) -> list[bytes]:
    """PNGs of one pixel with the text chunks of the one in `file`; none where that has none.

    Where chunks of one name differ there is one PNG for the first of every name, one for the second, and so
    on; the last has the last ones. Chunks beyond 16 MiB in all are left out. Raises `OSError` where the file
    cannot be read.
    """
    if file.read(8) != PNG:
        return []
    named: Named = {}
    for kind, body in _chunks(file):
        name = kind if kind == b"eXIf" else body.partition(b"\0")[0]
        _add(named, name, _chunk(kind, body))
    if not named:
        return []
    header = b"\0\0\0\x01\0\0\0\x01\x08\0\0\0\0"  # one pixel, 8 bit grey
    pixel = _chunk(b"IDAT", zlib.compress(b"\0\0")) + _chunk(b"IEND", b"")
    return [PNG + _chunk(b"IHDR", header) + texts + pixel for texts in _turns(named)]


def texts_of_jpeg(data: bytes) -> list[bytes]:
    """The head of a JPEG as often as texts of one kind in it differ, each time with others; none where no two
    do.
    """
    named: Named = {}
    rest, at = [], 2
    while data[at : at + 1] == b"\xff" and len(data) >= at + 4:
        marker = data[at + 1]
        size = 2 if marker in ALONE else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == 0xFF:  # filling
            size = 1
        segment = data[at : at + size]
        at += size
        kind = next(
            (kind for kind in SEGMENTS if marker == kind[0] and segment[4:].startswith(kind[1])), None
        )
        if kind is None:
            rest.append(segment)
        else:
            _add(named, kind[1][:4], segment)
        if marker == SCAN:
            break
    turns = list(_turns(named))
    return [JPEG + texts + b"".join(rest) for texts in turns] if len(turns) > 1 else []


def _add(named: Named, name: bytes, text: bytes) -> None:
    alike = named.setdefault(name, [])
    if text not in alike[:MOST_OF_A_NAME]:
        alike.append(text)


def _turns(named: Named) -> Iterable[bytes]:
    """The first texts of all names, the second ones …; a name that has fewer gives its last again."""
    several = [
        each if len(each) <= MOST_OF_A_NAME else [*each[: MOST_OF_A_NAME - 1], each[-1]]
        for each in named.values()
    ]
    for turn in range(max(map(len, several), default=0)):
        yield b"".join(each[min(turn, len(each) - 1)] for each in several)


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
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
            if zlib.crc32(kind + body[:-4]) == int.from_bytes(body[-4:], "big"):
                yield kind, body[:-4]
        else:
            file.seek(size + 4, 1)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")
