"""What a source of prompts is given and what it finds: a `Root`, the entries below it, and `Item`s, images
that nobody has opened yet.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rankkit.core.images import SUFFIXES, read


@dataclass(frozen=True, slots=True)
class Item:
    """One image that a source found and nobody has opened yet.

    `path` is where its bytes lie (`span`: offset and size, inside an archive); `name` is what rows call it;
    images of one `group` are ranked against each other; an empty `prompt` means that there is none; `error`
    is set where it is known already that the image cannot be had.
    """

    path: str
    name: str
    group: str
    prompt: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    span: tuple[int, int] | None = None
    error: str | None = None
    filled: bool = False  # the prompt is that of the whole run, not the image's own

    def read(self) -> bytes | str:
        """The bytes of the image file, or the reason why they cannot be had."""
        if self.error:
            return self.error
        return read(self.path, self.span)


@dataclass(frozen=True, slots=True)
class Entry:
    """One image file below a root: its path relative to the root, with forward slashes;
    `error` where a folder was unreadable.
    """

    relative: str
    error: str | None = None


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

    def walk(self) -> Iterator[Entry]:
        """The image files below, folder by folder, sorted by name; hidden ones are left out, links are
        followed once.
        """
        if self.files:
            yield from map(Entry, self.files)
        elif self.path.is_dir():
            yield from _walk(str(self.path), "", set())

    def locate(self, relative: str) -> str:
        """Where a relative path lies."""
        return relative if self.files else os.path.join(self.path, relative)

    def name(self, relative: str) -> str:
        """What rows call the image at a relative path: the path as the user would type it."""
        return f"{self.label}/{relative}" if self.label and not self.files else relative

    def item(
        self,
        entry: Entry,
        prompt: str = "",
        *,
        group: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Item:
        """An item for a walked entry; its group is the given one, else all images of this root with the same
        prompt.
        """
        return Item(
            self.locate(entry.relative),
            self.name(entry.relative),
            self.group(prompt) if group is None else self.name(group),
            prompt,
            metadata or {},
            error=entry.error,
        )

    def group(self, prompt: str) -> str:
        """The group of all images here that have this prompt: readable, stable, and unique by a hash of the
        prompt.
        """
        if not prompt:
            return self.label or "images"
        slug = re.sub(r"[^a-z0-9]+", "-", prompt.lower()).strip("-")[:40].strip("-")
        digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return "/".join(part for part in (self.label, f"{slug}-{digest}".lstrip("-")) if part)


def labelled(root: Root, prompt_of: Callable[[Entry], str | None]) -> Callable[[], Iterator[Item]] | None:
    """The items of a root whose prompts come from a look-up by entry, or None when it knows a prompt for none
    of them.
    """
    if not any(prompt_of(entry) for entry in root.walk() if not entry.error):
        return None
    return lambda: (
        root.item(entry, (None if entry.error else prompt_of(entry)) or "") for entry in root.walk()
    )


def read_text(path: str | os.PathLike[str], limit: int = 2**20) -> str | None:
    """The text of a small file, stripped, or None when it cannot be read; at most `limit` bytes are looked
    at.
    """
    data = read(path, (0, limit))
    return None if isinstance(data, str) else data.decode("utf-8-sig", "replace").strip()


def folders(path: str | os.PathLike[str]) -> list[str]:
    """The names of the folders in a folder, sorted; none where it may not be read (walking it will say
    so).
    """
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if _is_folder(entry))
    except OSError:
        return []


def is_image(name: str) -> bool:
    """Whether a file name looks like that of an image."""
    return os.path.splitext(name)[1].lower() in SUFFIXES


def _walk(base: str, relative: str, seen: set[str]) -> Iterator[Entry]:
    folder = os.path.join(base, relative)
    real = os.path.realpath(folder)
    if real in seen:
        return
    seen.add(real)
    files, deeper = [], []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") or entry.name == "__MACOSX":
                    continue
                if _is_folder(entry):
                    deeper.append(entry.name)
                elif is_image(entry.name):
                    files.append(entry.name)
    except OSError as error:
        yield Entry(relative or ".", f"the folder cannot be read: {error.strerror}")
        return
    prefix = f"{relative}/" if relative else ""
    for name in sorted(files):
        yield Entry(prefix + name)
    for name in sorted(deeper):
        empty = True
        for found in _walk(base, prefix + name, seen):
            empty = False
            yield found
        if empty and is_image(name):
            yield Entry(prefix + name, "is a folder, not an image file")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself, or to where one may not go
        return False
