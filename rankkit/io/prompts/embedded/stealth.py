"""Texts hidden in the lowest bits of a PNG's pixels, column by column, as the extension "stealth pnginfo" and
NovelAI write them: fifteen letters that say how, the number of bits, and the text.
"""

from __future__ import annotations

import contextlib
import warnings
import zlib
from typing import BinaryIO

import numpy as np
from PIL import Image

from rankkit.io.prompts.embedded.chunks import PNG
from rankkit.io.prompts.embedded.container import LONGEST, Texts, as_json

BEGIN = b"stealth_"
SIGNATURES = {  # which pixels hold the text, and whether it is packed
    b"stealth_pnginfo": ("A", False),
    b"stealth_pngcomp": ("A", True),
    b"stealth_rgbinfo": ("RGB", False),
    b"stealth_rgbcomp": ("RGB", True),
}
LENGTH = 4  # bytes behind the signature
MOST_PIXELS = 2**26
CHANNELS = {2: 3, 6: 4}  # of the kinds of colour that may hide a text: RGB and RGBA


def texts_hidden_in(path: str) -> Texts:
    """The hidden text of an image, called as what it is; nothing where there is none.

    A file is decoded only if the first pixels begin so; else a few of its rows are unpacked.
    """
    with contextlib.suppress(Exception), warnings.catch_warnings():  # decoders raise whatever they like
        warnings.simplefilter("ignore")
        with open(path, "rb") as file:
            if not _begins(file):
                return {}
        with Image.open(path) as image:
            text = _text(image) if image.width * image.height <= MOST_PIXELS else ""
        return {"UserComment" if as_json(text) is not None else "parameters": text} if text else {}
    return {}


def _begins(file: BinaryIO) -> bool:
    """Whether the lowest bits of the first column begin as a hidden text does."""
    head = file.read(33)
    width, height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
    depth, colour, interlaced = head[24], head[25], head[28]
    if (
        not head.startswith(PNG)
        or depth != 8
        or colour not in CHANNELS
        or interlaced
        or not width
        or not height
    ):
        return False
    bits, channels = len(BEGIN) * 8, CHANNELS[colour]
    if height < bits:
        return width * height >= bits  # it is small, and read whole
    row = 1 + width * channels
    first = _first_column(_unpacked(file, bits * row), row, channels)
    rows = first[:bits, channels - 1], first[: bits // 3 + 1, :3].reshape(-1)[:bits]
    return any(np.packbits(each & 1).tobytes() == BEGIN for each in rows)


def _unpacked(file: BinaryIO, size: int) -> bytes:
    """The first rows of the pixels, as they stand packed in the file."""
    unpack, found = zlib.decompressobj(), b""
    while len(found) < size:
        head = file.read(8)
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if len(head) < 8 or kind == b"IEND":
            break
        if kind != b"IDAT":
            file.seek(length + 4, 1)
            continue
        end = file.tell() + length + 4
        while len(found) < size and (piece := file.read(min(2**14, end - 4 - file.tell()))):
            found += unpack.decompress(piece, size - len(found))
        file.seek(end)
    return found[:size]


def _first_column(rows: bytes, row: int, channels: int) -> np.ndarray:
    """The pixels at the beginning of each row, whose filters there see nothing but the row above."""
    packed = np.frombuffer(rows, np.uint8).reshape(-1, row)[:, : 1 + channels]
    column = np.zeros((len(packed) + 1, channels), np.uint8)
    for number, (kind, *_) in enumerate(packed):
        above = column[number] // 2 if kind == 3 else column[number] if kind in (2, 4) else 0
        column[number + 1] = packed[number, 1:] + above
    return column[1:]


def _text(image: Image.Image) -> str:
    """The hidden text of a decoded image; empty where it has none, or one that is damaged or too long."""
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
