"""The texts that an image file carries beside its pixels, by where they stand; read within bounds, and
decoded rightly or not at all.
"""

from __future__ import annotations

import contextlib
import html
import json
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import iTXt

from rankkit.core.images import read
from rankkit.io.prompts.embedded.places.chunks import EDGE, JPEG, PNG, opened, texts_of_jpeg, texts_of_png
from rankkit.io.text import decode_text

LONGEST = 2**22  # characters of one text
SMALL = (b"GIF8", b"II*\0", b"MM\0*")  # files whose texts stand without a sign of them
LABEL = re.compile(r"charset=\"?\w+\"? ", re.IGNORECASE)  # how exiv2 shows and takes a coding
SIGNS = (b"Exif", b"EXIF", b"http://ns.adobe.com/xap", b"\xff\xfe", b"mif1", b"XMP ")
LONGEST_XMP = 200_000  # characters of a packet
IN_WEBP = 0x0C  # the flags of a WebP that has EXIF or XMP behind its pixels

EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
IFD0 = {
    0x010E: "ImageDescription",
    0x010F: "Make",
    0x0110: "Model",
    0x0131: "Software",
    USER_COMMENT: "UserComment",
}

Texts = Mapping[str, str]
"""By name: the keyword of a PNG chunk, ``UserComment``, ``ImageDescription``, ``Make``, ``Model``,
``Software``, ``comment`` or ``xmp``.
"""


@dataclass(frozen=True, slots=True)
class Found:
    """What a program's file says: the positive prompt as it was written, "" where it is empty, or None and
    `why` it cannot be told.
    """

    program: str
    prompt: str | None
    why: str = ""
    negative: str | None = None


def texts_in(path: str, head: bytes) -> list[dict[str, str]]:
    """The texts of an image file; again with others of the same names, where it has several that differ.

    `head`: its first `EDGE` bytes. None where it cannot be opened: scoring it will say why.
    """
    try:
        sources = _with_texts(path, head)
    except OSError:
        return []
    found = []
    for source in sources:
        with contextlib.suppress(Exception), warnings.catch_warnings():  # decoders raise whatever they like
            warnings.simplefilter("ignore")
            with Image.open(source) as image:
                texts = dict(_texts(image))
            found.append({name: text for name, text in texts.items() if len(text) <= LONGEST})
    return [texts for texts in found if texts]


def _with_texts(path: str, head: bytes) -> Sequence[str | BytesIO]:
    """What to open for the texts of a file: itself, or its texts alone; nothing without a sign of any."""
    if head.startswith(PNG):
        with opened(path, head) as file:
            return [BytesIO(texts) for texts in texts_of_png(file)]
    if head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X":
        return [path] if int.from_bytes(head[20:21], "big") & IN_WEBP else []
    if head.startswith(SMALL):
        return [path]
    if head.startswith(JPEG):  # before the first scan
        if not any(sign in head.partition(b"\xff\xda")[0] for sign in SIGNS):
            return []
        whole = read(path, (0, LONGEST)) if len(head) == EDGE else head
        several = texts_of_jpeg(whole) if isinstance(whole, bytes) else []
        return [BytesIO(texts) for texts in several] or [path]
    tail = read(path, (max(os.path.getsize(path) - EDGE, 0), EDGE))
    edges = [head, tail if isinstance(tail, bytes) else b""]
    return [path] if any(sign in edge for edge in edges for sign in SIGNS) else []


def in_xmp(texts: Texts, name: str) -> str:
    """The text of an element of the XMP packet, ``dc:description``; empty where it has none."""
    _, _, rest = texts.get("xmp", "")[:LONGEST_XMP].partition(f"<{name}>")
    inside, closed, _ = rest.partition(f"</{name}>")
    _, item, listed = inside.partition("<rdf:li")
    text = (listed.partition(">")[2].partition("</rdf:li>")[0] if item else inside).strip()
    as_it_stands = text.startswith("<![CDATA[") and text.endswith("]]>")
    return (text[9:-3] if as_it_stands else html.unescape(text)).strip() if closed else ""


def as_json(text: object) -> Any:
    """A text as JSON, ``NaN`` included; None where it is none, or is nested too deeply."""
    text = text.strip("\ufeff\0 \t\r\n") if isinstance(text, str) else ""
    if text[:1] not in ("{", "[") and text[:3] not in ('"{\\', '"[{'):
        return None
    try:
        value = json.loads(text)
        return json.loads(value) if isinstance(value, str) else value  # some programs encode it twice
    except (ValueError, RecursionError):
        return None


def as_object(text: object) -> dict[str, Any]:
    """A text as a JSON object; an empty one where it is none."""
    value = as_json(text)
    return value if isinstance(value, dict) else {}


def decode_comment(data: bytes) -> str:
    """The text of an EXIF UserComment: eight bytes that name its coding, which programs do not always mean,
    and the text.

    UNICODE is UTF-16 of either byte order, decided by which one gives text, or UTF-8 (Exif 3.0); ASCII and an
    unnamed coding are UTF-8, else Windows-1252. What cannot be decoded is empty.
    """
    return LABEL.sub("", _decoded_comment(data), count=1) if data else ""


def _decoded_comment(data: bytes) -> str:
    code, body = data[:8].upper(), data[8:]
    if code.startswith(b"UNICODE"):
        return _unicode(body)
    if code.startswith(b"JIS"):
        return _decoded(body, "iso2022_jp") or ""
    if code.startswith((b"ASCII", b"\0\0\0\0\0\0\0\0")):
        return _eight_bit(body)
    return _unicode(data) if b"\0" in data[:64] else _eight_bit(data)


def _unicode(body: bytes) -> str:
    if b"\0" not in body and (text := _decoded(body, "utf-8")) is not None:
        return text.strip("\ufeff")
    even = body[: len(body) // 2 * 2]
    orders = [text for order in ("utf-16-be", "utf-16-le") if (text := _decoded(even, order)) is not None]
    return max(orders, key=_like_text, default="").strip("\ufeff\0")


def _like_text(text: str) -> tuple[float, float]:
    """How much a text is like one: the share of its characters that are ASCII, else how few scripts they come
    from.
    """
    characters = text.strip("\ufeff\0") or "\0"
    ascii_share = sum(c.isascii() and (c.isprintable() or c.isspace()) for c in characters) / len(characters)
    blocks = len({ord(c) >> 8 for c in characters})
    return round(ascii_share, 1), (2.0 if text.startswith("\ufeff") else 0.0) - blocks / len(characters)


def _eight_bit(data: bytes) -> str:
    """UTF-8, else Windows-1252 where that is likely; empty for other codings, which nothing names."""
    try:
        return decode_text(data.strip(b"\0"))[0].strip("\0\ufeff")
    except ValueError:
        return ""


def _decoded(data: bytes, coding: str) -> str | None:
    try:
        return data.decode(coding)
    except UnicodeDecodeError:
        return None


def _texts(image: Image.Image) -> Iterator[tuple[str, str]]:
    for name, value in image.info.items():
        if isinstance(name, str) and isinstance(value, str):
            text = value if isinstance(value, iTXt) else _latin(value)
            yield ("xmp" if name == "XML:com.adobe.xmp" else name), text
        elif name == "comment" and isinstance(value, bytes):
            yield "comment", _eight_bit(value)
        elif name == "xmp" and isinstance(value, bytes):
            yield "xmp", _eight_bit(value)
    exif = image.getexif()
    for tags in (exif, exif.get_ifd(EXIF_IFD)):
        for tag, name in IFD0.items():
            text = _text(tags.get(tag))
            if text:
                yield name, text


def _text(value: object) -> str:
    if isinstance(value, tuple) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        value = bytes(value)
    if isinstance(value, bytes):
        return decode_comment(value)
    if isinstance(value, str):  # Pillow reads ASCII tags as Latin-1, whatever they are
        return _latin(value)
    return ""


def _latin(text: str) -> str:
    """A text that Pillow read as Latin-1, as PNG and EXIF have it, in the coding its program wrote it in."""
    if text.isascii() or not re.fullmatch(r"[\x00-\xff]*", text):
        return text
    return _eight_bit(text.encode("latin-1"))
