"""What is scored together: the images of one archive or parquet file, or some that were listed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rankkit.errors import BadSource, RankkitError
from rankkit.io.cells import image_cells
from rankkit.io.prompts import Survey
from rankkit.io.prompts.base import Item, Root, Source
from rankkit.io.prompts.parquet import in_files
from rankkit.io.prompts.reading.texts import Captions
from rankkit.io.prompts.webdataset import in_archives
from rankkit.io.urls import file_system, is_url

SUFFIXES = (".tar", ".parquet")


@dataclass(frozen=True, slots=True)
class Reading:
    """How images and prompts are read, as in `Survey`; `prompt` is that of images which have none."""

    prompt: str | None = None
    captions: Captions = "first"
    raw: bool = False
    grid: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class Listed(Survey):
    """Images that are known already, with their prompts."""

    listed: tuple[Item, ...] = ()

    def items(self, prompt: str | None = None) -> Iterator[Item]:
        """The images as they were listed."""
        yield from self.listed


@dataclass(frozen=True, slots=True)
class Shard:
    """One archive or parquet file at a path or URL, or the images in `items`.

    `top` is the folder (or the archive itself) that `label` names in rows, and `relative` the file below it.
    `stamp` changes with the contents.
    """

    top: str
    label: str
    relative: str
    stamp: str
    items: tuple[Item, ...] = ()

    @property
    def name(self) -> str:
        """What messages and the manifest call it."""
        return "/".join(part for part in (self.label, self.relative) if part) or self.top

    @property
    def key(self) -> str:
        """The name of its rows, without suffix: readable, stable, and unique by a hash."""
        start = re.sub(r"[^\w.-]+", "_", self.name.rpartition("/")[2])[:60].strip(".") or "shard"
        identity = f"{self.name}\0{self.stamp}" if self.items else self.name
        return (
            f"{start}-{hashlib.blake2b(identity.encode('utf-8', 'surrogatepass'), digest_size=6).hexdigest()}"
        )

    @contextmanager
    def survey(self, reading: Reading) -> Iterator[Survey]:
        """Its images and prompts; of a shard at a URL there is a copy here for so long.

        Raises `BadSource` where it holds no images, `RankkitError` where it cannot be had.
        """
        captions, raw, grid = reading.captions, reading.raw, reading.grid
        if self.items:
            nowhere = Root(Path(self.top), self.label, manifest_only=True)
            yield Listed(nowhere, (), captions, raw, grid, self.items)
            return
        with TemporaryDirectory(prefix="rankkit-shard-") as folder:
            top = self._copied(folder) if is_url(self.top) else self.top
            path = Path(top, self.relative) if self.relative else Path(top)
            root, source = self._source(Path(top), path)
            yield Survey(root, (source,), captions, raw, grid)

    def _source(self, top: Path, path: Path) -> tuple[Root, Source]:
        if path.suffix.lower() == ".tar":
            root = Root(top, self.label, manifest_only=True)
            return root, in_archives(root, [path])
        if not image_cells(path):
            raise BadSource(f"{self.name}: holds no images, or is no parquet file that can be read")
        root = Root(top, self.label, manifest=path, manifest_only=True)
        return root, in_files(root, [path])

    def _copied(self, folder: str) -> str:
        """A copy of the file at a URL, in a folder that stands for `top`."""
        url = f"{self.top}/{self.relative}" if self.relative else self.top
        fs, path = file_system(url)
        here = os.path.join(folder, self.relative or os.path.basename(path))
        os.makedirs(os.path.dirname(here), exist_ok=True)
        try:
            fs.get_file(path, here)
        except Exception as error:  # each file system has errors of its own
            raise RankkitError(f"{url}: cannot be read: {error or type(error).__name__}") from None
        return folder if self.relative else here
