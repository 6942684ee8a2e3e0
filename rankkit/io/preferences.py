"""What humans chose, from the files in which others publish it.

One `Preference` per prompt, whatever the format.

Which format a file has shows in the fields of its first entry. It is read as a stream, twice: to check and
count it, and to rank it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from rankkit.core.images import Decoded, decode, read
from rankkit.core.text import printable
from rankkit.errors import BadSource, UsageError
from rankkit.io.preference_fields import RICHHF, StoredImage, described, shown
from rankkit.io.preference_formats import FIELDS, FORMATS, PreferenceFormat
from rankkit.io.prompts.reading.texts import answer_in
from rankkit.io.records import Record, Stream, stream

SHARD = re.compile(r"(.+)-\d{5}-of-\d{5}")  # how the datasets library names the files of a split


@dataclass(frozen=True, slots=True)
class Preference:
    """One prompt, its images, and how humans ordered them.

    `human` is higher for the better image, equal for a tie, NaN for no opinion.

    `where` names the entry in its file ("line 3"), `names` each image. No image is read before `image` is
    asked for it.
    """

    where: str
    prompt: str
    images: tuple[StoredImage, ...]
    human: tuple[float, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """One per image: its path in the file, or its place in the entry."""
        return tuple(
            printable(p) if isinstance(p, str) else f"{self.where}, image {i + 1}"
            for i, p in enumerate(self.images)
        )

    def decided(self) -> Iterator[tuple[int, int]]:
        """Pairs (better, worse) of images, as humans see them; ties are not among them."""
        for i, j in self._pairs():
            if self.human[i] != self.human[j]:
                yield (i, j) if self.human[i] > self.human[j] else (j, i)

    def ties(self) -> int:
        """How many pairs of images humans called equal."""
        return sum(self.human[i] == self.human[j] for i, j in self._pairs())

    def _pairs(self) -> Iterator[tuple[int, int]]:
        seen = [i for i, value in enumerate(self.human) if not math.isnan(value)]
        return ((i, j) for k, i in enumerate(seen) for j in seen[k + 1 :])


@dataclass(frozen=True)
class PreferenceFile:
    """A file of human choices, or a folder of shards: its path, its format, and its entries, streamed anew on
    every pass.
    """

    path: Path
    format: PreferenceFormat
    root: Path
    records: Callable[[bool], Iterator[tuple[str, Record]]]

    def entries(self, *, images: bool = True) -> Iterator[Preference]:
        """Entries in the order of the file.

        Without `images` those that a parquet file embeds are left out (None).

        An entry that a later one takes back is left out, as is the later one.

        Raises `BadSource` at the first entry that does not keep to the format, naming it and the value.
        """
        undone = self._undone()
        for where, record in self.records(images):
            if undone and str(record.get(self.format.name_of)) in undone:
                continue
            try:
                yield _preference(where, record, self.format)
            except ValueError as error:
                raise BadSource(
                    f"{self.path}, {where}: {error}; correct or remove this entry ({self.format.name})"
                ) from None

    def _undone(self) -> frozenset[str]:
        return (
            self.format.undone(each for _, each in self.records(False)) if self.format.undone else frozenset()
        )

    def image(self, stored: StoredImage) -> Decoded:
        """One image of an entry, decoded, or the reason why not: as `data`."""
        found = self.data(stored)
        return decode(found) if isinstance(found, bytes) else Decoded(None, found)

    def data(self, stored: StoredImage) -> bytes | str:
        """The bytes of one image of an entry, or the reason why they cannot be had.

        A path is looked up in `root` and may not leave it.
        """
        if stored is None:
            return "the entry holds no image"
        if isinstance(stored, bytes):
            return stored
        return _fault(stored) or read(self.root / stored)

    def fault(self, stored: StoredImage) -> str:
        """Why an image that an entry names cannot be had, without reading it; empty where it may be."""
        if not isinstance(stored, str):
            return ""
        return _fault(stored) or ("" if os.path.exists(self.root / stored) else "does not exist")


def open_preferences(
    path: str | os.PathLike[str], *, images: str | os.PathLike[str] | None = None
) -> PreferenceFile:
    """Recognise a file of human choices by its content, or a folder of them: its ``.parquet`` files, by name.

    Its paths start from the folder `images`, by default the file's own.

    Raises `UsageError` for no file, `BadSource` for one in no known format, with its first entry as it was
    read.
    """
    path = Path(path)
    files = _shards(path) if path.is_dir() else [path]
    if not files[0].is_file():
        raise UsageError(f"{path}: no such file; give a .json, .jsonl or .parquet file of human choices")
    if ".tfrecord" in path.name:
        raise BadSource(f"{path}: TFRecords are not read; {RICHHF}")
    streams = {file.name: stream(file, FIELDS) for file in files}
    records = _one_after_another(streams) if path.is_dir() else streams[path.name]
    first = next(records(False), None)
    if first is None:
        raise BadSource(f"{path}: it holds no entries; give a file of human choices")
    where, record = first
    root = Path(images) if images is not None else path if path.is_dir() else path.parent
    for known in FORMATS:
        if known.fits(record):
            return PreferenceFile(path, known, root, records)
    _, whole = next(entry for file in files for entry in stream(file, None)(True))
    known_fields = "; ".join(f"{known.name}: {', '.join(known.fields)}" for known in FORMATS)
    raise BadSource(
        f"{path}, {where}: its fields {', '.join(map(repr, record)) or '(none)'} fit no known format "
        f"({known_fields}); it was read as {described(whole)}"
    )


def _shards(folder: Path) -> list[Path]:
    """The .parquet files of a folder, sorted; refused where they are those of several splits."""
    found = sorted(file for file in folder.glob("*.parquet") if not file.name.startswith("."))
    if not found:
        raise UsageError(
            f"{folder}: no such file of human choices in this folder; give one, or a folder of .parquet files"
        )
    splits = {match[1] if (match := SHARD.match(file.name)) else "" for file in found}
    if len(splits) > 1:
        raise UsageError(
            f"{folder}: holds files of several splits ({', '.join(filter(None, sorted(splits)))}); put "
            f"those of one split into a folder of their own"
        )
    return found


def _one_after_another(streams: Mapping[str, Stream]) -> Stream:
    """The records of several files, each with the name of its file before its place."""
    return lambda large: (
        (f"{name}, {where}", record) for name, read in streams.items() for where, record in read(large)
    )


def _fault(text: str) -> str | None:
    flavours = PurePosixPath(text), PureWindowsPath(text)
    if not text or text.endswith("/"):
        return "names no file"
    if text.startswith("data:"):
        return "is no path (an image written as text is not read); save it as a file, and give its path"
    if "://" in text:
        return "is a web address, and nothing is downloaded; save the image beside the file"
    if any(p.is_absolute() or p.drive or p.root for p in flavours):
        return "is an absolute path; only paths inside the folder of images are read"
    if any(".." in p.parts for p in flavours):
        return "leads outside the folder of images (..); only paths inside it are read"
    return None


def _preference(where: str, record: Record, known: PreferenceFormat) -> Preference:
    missing = [
        field.replace("|", " or ") for field in known.fields if not set(field.split("|")) & set(record)
    ]
    if missing:
        raise ValueError(f"it has no {', '.join(missing)}")
    prompt = known.prompt(record)
    if not isinstance(prompt, str | None):
        raise ValueError(f"its prompt is {shown(prompt)}, not text")
    images, human = known.read(record)
    texts = answer_in(prompt or "").texts  # a list that was made text is several
    return Preference(where, printable(texts[0] if texts else ""), images, human)
