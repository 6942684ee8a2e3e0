"""Bytes to text, by one rule for every file that people bring: a byte order mark, UTF-16, UTF-8, then
Windows-1252; text, or a reason why not, and never a replacement character.
"""

from __future__ import annotations

import codecs
import io
import os
import re
from typing import TextIO

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
CONTROLS = re.compile("[\x00-\x08\x0e-\x1a]")  # what text does not hold, though every coding can write it
HIGH, HIGH_RUNS = re.compile(rb"[\x80-\xff]+"), re.compile(rb"[\x80-\xff]{3,}")
# What Windows-1252 makes of other codings: signs that no caption holds, a sign between two letters, quotation
# marks that open or close on the wrong side, capitals behind small letters, letters of Central Europe.
UNLIKELY = re.compile(
    rb"[\x83\x86\x87\x88\x98\xa4\xa6\xa8\xac\xaf\xb6\xb8]"
    rb"|[A-Za-z\xc0-\xff][\xa1-\xb6\xb8-\xbf][A-Za-z\xc0-\xff]"
    rb"|[a-z][\x8a\x8c\x8e\x9f\xc0-\xd6\xd8-\xde]"
    rb"|(?:^|[\s,])\x94(?=[A-Za-z])|[A-Za-z]\x93"
)
CENTRAL, WESTERN = (
    re.compile(rb"[\x8a\x8e\x9a\x9e]"),
    re.compile(rb"[\xc8\xcc\xd8\xd9\xd2\xe8\xec\xf8\xf9\xf2]"),
)
LOST = re.compile(
    r"[?\s,.!]*\?{2}[?\s,.!]*"
)  # what is left of words that were written in a coding without them
WHY_LOST = "holds question marks alone: its letters were lost in a coding that lacks them"
UNFILLED = re.compile(  # what programs write where nobody filled a text in; alone it says nothing
    r"(?:undefined|unknown|null|none|nan)[\s,.]*", re.IGNORECASE
)
POINTER = b"version https://git-lfs.github.com/spec/"
POINTED = "it is a pointer of Git LFS and not the file itself; run git lfs pull"
SURELY_ENDED = 16  # bytes without a zero before one, that are not in UTF-16
CHUNK = 2**20


def decode_text(data: bytes) -> tuple[str, str]:
    """The text in the bytes of a file, and the name of its coding.

    A byte order mark decides; without one it is UTF-8, else UTF-16 where every other byte says so, else
    Windows-1252 ("cp1252": tell the user). Raises ValueError, in words, for what is no text in any of these.
    """
    coding = _coding(io.BytesIO(data))
    return data.decode(coding), coding


def open_text(path: str | os.PathLike[str]) -> tuple[TextIO, str]:
    """A text file opened for reading by the same rule, line breaks as they are, and the name of its coding.

    The file is looked through once before, so that a bad byte at its end is known at its start. Raises
    ValueError for what is no text, OSError for what cannot be read.
    """
    with open(path, "rb") as file:
        coding = _coding(file)
    return open(path, encoding=coding, newline=""), coding


def _coding(file: io.BufferedReader | io.BytesIO) -> str:
    start = file.read(CHUNK)
    if start.startswith(POINTER):
        raise ValueError(POINTED)
    for mark, coding in MARKS:
        if start.startswith(mark):
            return _checked(start, file, coding)
    bare = start.rstrip(b"\0")
    ended = bare != start and b"\0" not in bare  # as C ends a text; of UTF-16 it may be the last letter
    if ended and len(start) % 2 == 0 and len(bare) < SURELY_ENDED:
        raise ValueError("it ends in a zero byte, and is UTF-16 or not; save it as UTF-8")
    for coding, zeros in (
        () if ended else (("utf-16-be", start[0::2].count(0)), ("utf-16-le", start[1::2].count(0)))
    ):
        if zeros > len(start) / 10:  # the other byte of what is ASCII
            return _checked(start, file, coding)
    file.seek(0)
    try:
        return _checked(b"", file, "utf-8")
    except ValueError as error:
        file.seek(0)
        return _windows(file, str(error))


def _checked(start: bytes, file: io.BufferedReader | io.BytesIO, coding: str) -> str:
    """The coding, when all of the file is text in it."""
    decoder = codecs.getincrementaldecoder(coding)()
    piece = start or file.read(CHUNK)
    while True:
        try:
            text = decoder.decode(piece, final=not piece)
        except UnicodeDecodeError as error:
            raise ValueError(f"it is not text in {coding} ({error.reason})") from None
        allowed = 0 if coding.startswith("utf-16") else len(text) / 5
        if len(CONTROLS.findall(text)) > allowed:  # Cyrillic in UTF-16 may be valid UTF-8
            raise ValueError("it is not text: it holds control characters")
        if not piece:
            return coding
        piece = file.read(CHUNK)


def _windows(file: io.BufferedReader | io.BytesIO, reason: str) -> str:
    """Windows-1252 has a letter for nearly any byte. In text that is written in it few are beyond ASCII, and
    they stand alone; in Chinese, Japanese and Cyrillic codings they follow each other.
    """
    count = high = together = 0
    doubtful = central = western = False
    while piece := file.read(CHUNK):
        try:
            text = piece.decode("cp1252")
        except UnicodeDecodeError:
            raise ValueError(f"{reason}, nor in Windows-1252; save it as UTF-8") from None
        if CONTROLS.search(text):
            raise ValueError("it is not text: it holds control characters")
        count, high = count + len(piece), high + sum(map(len, HIGH.findall(piece)))
        together += sum(map(len, HIGH_RUNS.findall(piece)))
        doubtful = doubtful or UNLIKELY.search(piece) is not None
        central, western = central or bool(CENTRAL.search(piece)), western or bool(WESTERN.search(piece))
    if high > count / 3 or together > high / 2 or doubtful or (central and western):
        raise ValueError(f"{reason}, nor likely in Windows-1252; save it as UTF-8")
    return "cp1252"
