"""What a source of prompts is given and what it finds: a `Root`, the `Place`s of images below it, the
`Answer` a source has for one of them, and `Item`s, images that nobody has opened yet.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from pathlib import Path
from typing import Any

from rankkit.core.images import SUFFIXES, read
from rankkit.io.cells import read_cell
from rankkit.io.prompts.tiles import Tile

FILLED = "--prompt"

# Folders of what systems keep of files, called as they are: macOS, Synology's and QNAP's previews, bins.
JUNK = frozenset(("__MACOSX", "@eaDir", ".@__thumb", "#recycle", "@Recycle", "$RECYCLE.BIN"))


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image lies: its path relative to the root, with forward slashes, as rows name it.

    `path` is the file that holds it, where that is another one: an archive (`span`: offset and size of the
    member) or a parquet file (`span`: row and 0, in the column `column`). `error` says why the image cannot
    be had, where that is known already.
    """

    relative: str
    error: str | None = None
    path: str = ""
    span: tuple[int, int] | None = None
    column: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one source knows of one image.

    `texts` are its prompts as they stand there: several are alternative captions. Where there are none, `why`
    says the reason. With `syntax` they are written for a generator, and hold more than plain words. `group`
    names the images it competes with; `error` says that it cannot be scored, `skip` that it should not be.
    `beside` are prompts of other files of the same source, which are not used, by the files' names.
    """

    texts: tuple[str, ...] = ()
    why: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    group: str | None = None
    syntax: bool = False
    error: str | None = None
    skip: str = ""
    beside: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Source:
    """Prompts at a root, from one kind of file: it `lists` images of its own, or `knows` those of a walk.

    `notes` says what the user should know of how it is read.
    """

    name: str
    lists: Callable[[], Iterator[tuple[Place, Answer]]] | None = None
    knows: Callable[[Place], Answer | None] | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One image with its prompt, which nobody has opened yet.

    `path` is where its bytes lie (`span` and `column` as in `Place`); `name` is what rows call it; images of
    one `group` are ranked against each other; an empty `prompt` means that there is none, and `why` then says
    the reason. `source` names where the prompt comes from (`FILLED`: it is that of the whole run), `written`
    is the prompt as it stands there, where that is more than plain words; it is one of `captions`. Of a file
    that holds several images in a grid, `tile` tells which one this is. `error` is set where it is known
    already that the image cannot be had.
    """

    path: str
    name: str
    group: str
    prompt: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    span: tuple[int, int] | None = None
    error: str | None = None
    column: str = ""
    source: str = ""
    written: str = ""
    why: str = ""
    captions: int = 1
    tile: Tile | None = None

    def __reduce__(self) -> tuple[type[Item], tuple[Any, ...]]:
        """For processes: all values at once, quicker than field by field, as dataclasses with slots do it."""
        return Item, _values(self)

    def read(self) -> bytes | str:
        """The bytes of the image file, or the reason why they cannot be had."""
        if self.error:
            return self.error
        if self.column and self.span:
            return read_cell(self.path, self.column, self.span[0])
        return read(self.path, self.span)


_values = attrgetter(*(each.name for each in fields(Item)))


@dataclass(frozen=True)
class Root:
    """A place the user named: a folder, an archive, a manifest, or (with `files`) some image files in no
    common folder.
    """

    path: Path
    label: str = ""
    files: tuple[str, ...] = ()
    manifest: Path | None = None
    manifest_only: bool = False

    def walk(self) -> Iterator[Place]:
        """The image files below, folder by folder, sorted by name; hidden ones are left out, links are
        followed once.
        """
        if self.files:
            yield from map(Place, self.files)
        elif self.path.is_dir():
            yield from _walk(str(self.path), "", set())

    def files_below(self, wanted: Callable[[str], object]) -> list[Path]:
        """The files below, images apart, whose names are wanted, folder by folder; hidden ones are left out,
        and what macOS puts beside them into archives.
        """
        return [Path(folder, name) for folder, names in self._beside for name in names if wanted(name)]

    @functools.cached_property
    def _beside(self) -> list[tuple[str, list[str]]]:
        """The names of what stands beside the images, folder by folder: walked once for all sources."""
        found = []
        for folder, folders, names in [] if self.files else os.walk(self.path):
            folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in JUNK)
            others = (name for name in names if not name.startswith(".") and not is_image(name))
            found.append((folder, sorted(others)))
        return found

    def locate(self, place: Place) -> str:
        """The file that holds an image."""
        return place.path or (place.relative if self.files else self._folder + place.relative)

    @functools.cached_property
    def _folder(self) -> str:
        return os.path.join(self.path, "")

    def name(self, place: Place) -> str:
        """What rows call an image: its path as the user would type it."""
        outside = place.path and not place.span
        return place.path.replace(os.sep, "/") if outside else self.below(place.relative)

    def below(self, relative: str) -> str:
        """A path relative to the root as the user would type it."""
        return f"{self.label}/{relative}" if self.label and not self.files else relative

    def relative(self, path: str | os.PathLike[str]) -> str:
        """A path below the root, relative to it, with forward slashes."""
        found = os.path.relpath(path, self.path).replace(os.sep, "/")
        return "" if found == "." else found

    def group(self, prompt: str) -> str:
        """The group of all images here that have this prompt: readable, stable, and unique by a hash of the
        prompt.
        """
        if not prompt:
            return self.label or "images"
        return "/".join(part for part in (self.label, slug(prompt)) if part)


@functools.lru_cache(maxsize=1024)
def slug(prompt: str) -> str:
    """A prompt as a part of a name: its first words and a hash of the whole."""
    words = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40].strip("-")
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{words}-{digest}".lstrip("-")


def folders(path: str | os.PathLike[str]) -> list[str]:
    """The names of the folders in a folder, sorted; none where it may not be read (walking it says so)."""
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if _is_folder(entry))
    except OSError:
        return []


def is_image(name: str) -> bool:
    """Whether a file name looks like that of an image."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """A key that sorts names as people count: 2 before 10."""
    pieces = re.split(r"(\d+)", name.lower())
    return [(int(piece) if piece.isdecimal() else -1, piece) for piece in pieces], name


def _walk(base: str, relative: str, seen: set[str]) -> Iterator[Place]:
    folder = os.path.join(base, relative)
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    files, deeper = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name in JUNK:
                    continue
                if _is_folder(entry):
                    deeper.append(entry.name)
                elif is_image(entry.name):
                    files.append(entry.name)
    except OSError as error:
        yield Place(relative or ".", f"the folder cannot be read: {error.strerror}")
        return
    prefix = f"{relative}/" if relative else ""
    for name in sorted(files):
        yield Place(prefix + name)
    for name in sorted(deeper):
        empty = True
        for found in _walk(base, prefix + name, seen):
            empty = False
            yield found
        if empty and is_image(name):
            yield Place(prefix + name, "is a folder, not an image file")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, or to where one may not go
        return False
