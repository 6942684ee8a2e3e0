"""Texts hidden in the lowest bits of a PNG's pixels, column by column, as the extension "stealth pnginfo" and
NovelAI write them: fifteen letters that say how, the number of bits, and the text.
"""

from __future__ import annotations

import contextlib
import warnings
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from PIL import Image

from rankkit.io.prompts.embedded.container import LONGEST, Texts, as_json
from rankkit.io.prompts.embedded.places.chunks import PNG, opened

BITS = [byte >> place & 1 for byte in b"stealth_" for place in range(7, -1, -1)]  # how every text begins
SIGNATURES = {  # which pixels hold the text, and whether it is packed
    b"stealth_pnginfo": ("A", False),
    b"stealth_pngcomp": ("A", True),
    b"stealth_rgbinfo": ("RGB", False),
    b"stealth_rgbcomp": ("RGB", True),
}
LENGTH = 4  # bytes behind the signature
MOST_PIXELS = 2**26
PIECE = 2**12  # bytes of packed pixels that are read at once
CHANNELS = {2: 3, 6: 4}  # of the kinds of colour that may hide a text: RGB and RGBA


def texts_hidden_in(path: str, head: bytes = b"") -> Texts:
    """The hidden text of an image, called as what it is; nothing where there is none. `head` as in `opened`.

    A file is decoded only if the first pixels begin so; else a row or two of it are unpacked.
    """
    with contextlib.suppress(Exception):  # decoders raise whatever they like
        with opened(path, head) as file:
            if not _begins(file):
                return {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(path) as image:
                text = _text(image)
        return {"UserComment" if as_json(text) is not None else "parameters": text} if text else {}
    return {}


def _begins(file: BinaryIO) -> bool:
    """Whether the lowest bits of the first column are those at the beginning of a hidden text, as far as the
    image is high.
    """
    head = file.read(33)
    if len(head) < 33 or not head.startswith(PNG):
        return False
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    depth, colour, interlaced = head[24], head[25], head[28]
    if depth != 8 or colour not in CHANNELS or interlaced or not len(BITS) <= width * height <= MOST_PIXELS:
        return False
    alpha, colours = colour == 6, True
    rows = _rows(file, 1 + width * CHANNELS[colour])
    for seen, pixel in enumerate(_first_column(rows, CHANNELS[colour])):
        lowest = [value & 1 for value in pixel]
        alpha = alpha and lowest[-1] == BITS[seen]
        told = BITS[3 * seen : 3 * seen + 3]
        colours = colours and lowest[: len(told)] == told
        if not (alpha or colours) or seen + 1 == min(height, len(BITS)):
            return alpha or colours
    return False


def _rows(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The rows of the pixels, each with the kind of its filter before it."""
    unpack, pieces, row = zlib.decompressobj(), _packed(file), b""
    piece = next(pieces, b"")
    while True:
        row += unpack.decompress(piece, size - len(row))
        piece = unpack.unconsumed_tail
        if len(row) == size:
            yield row
            row = b""
        elif not (piece := next(pieces, b"")):
            return


def _packed(file: BinaryIO) -> Iterator[bytes]:
    """The packed pixels, in pieces."""
    while len(head := file.read(8)) == 8 and head[4:] != b"IEND":
        left = int.from_bytes(head[:4], "big")
        while head[4:] == b"IDAT" and left and (piece := file.read(min(left, PIECE))):
            left -= len(piece)
            yield piece
        file.seek(left + 4, 1)


def _first_column(rows: Iterable[bytes], channels: int) -> Iterator[list[int]]:
    """The pixels at the beginning of each row, whose filters there see nothing but the row above."""
    pixel = [0] * channels
    for row in rows:
        kind = row[0]
        above = [value // 2 for value in pixel] if kind == 3 else pixel if kind in (2, 4) else [0] * channels
        pixel = [(value + more) & 255 for value, more in zip(row[1:], above, strict=False)]
        yield pixel


def _text(image: Image.Image) -> str:
    """The hidden text of a decoded image; empty where it has none, or one that is damaged or too long."""
    import numpy as np  # late: only these images need it

    for signature, (bands, packed) in SIGNATURES.items():
        if bands == "A" and image.mode != "RGBA":
            continue
        pixels = np.asarray(image.getchannel("A") if bands == "A" else image.convert("RGB"))
        bits = (pixels & 1).swapaxes(0, 1).reshape(-1)
        start = len(signature) * 8
        if np.packbits(bits[:start]).tobytes() != signature:
            continue
        size = int.from_bytes(np.packbits(bits[start : start + LENGTH * 8]).tobytes(), "big")
        held = bits[start + LENGTH * 8 :][:size]
        if len(held) < size or size % 8:
            return ""
        data = np.packbits(held).tobytes()
        if packed:
            unpack = zlib.decompressobj(31)
            data = unpack.decompress(data, LONGEST + 1)
            if not unpack.eof:
                return ""
        return data.decode("utf-8") if len(data) <= LONGEST else ""
    return ""
