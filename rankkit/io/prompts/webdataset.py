"""A webdataset archive: an uncompressed .tar of ``key.jpg`` with ``key.txt`` or ``key.json``.

Images are read in place, not unpacked.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rankkit.io.prompts.base import Entry, Item, Root, is_image

TEXT_LIMIT = 2**20


def find(root: Root) -> Callable[[], Iterator[Item]] | None:
    """The images of an archive, or of all the archives directly in a folder."""
    if root.files:
        return None
    if root.path.is_file() and root.path.suffix.lower() == ".tar":
        return lambda: _samples(root, root.path, "")
    if root.path.is_dir() and next(root.walk(), None) is None:
        archives = sorted(path for path in root.path.iterdir() if path.suffix.lower() == ".tar")
        if archives:
            return lambda: (item for path in archives for item in _samples(root, path, path.name + "/"))
    return None


def _samples(root: Root, path: Path, prefix: str) -> Iterator[Item]:
    """One item per image; members that share a key follow each other, as the format demands."""
    key: str | None = None
    images: list[tarfile.TarInfo] = []
    texts: dict[str, str] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member in archive:
                archive.members = []  # type: ignore[attr-defined]  # or it would keep every header it has read
                folder, _, base = member.name.rpartition("/")
                stem, _, suffix = base.partition(".")
                if f"{folder}/{stem}" != key:
                    yield from _flush(root, path, prefix, images, texts)
                    key, images, texts = f"{folder}/{stem}", [], {}
                if not member.isreg() or base.startswith("."):
                    continue
                if is_image(base):
                    images.append(member)
                elif suffix in ("txt", "caption", "json") and member.size <= TEXT_LIMIT:
                    file = archive.extractfile(member)
                    texts[suffix] = file.read().decode("utf-8", "replace") if file else ""
            yield from _flush(root, path, prefix, images, texts)
    except (tarfile.TarError, OSError) as error:
        yield from _flush(root, path, prefix, images, texts)
        yield root.item(
            Entry(prefix or ".", f"the archive breaks off or is not an uncompressed .tar: {error}")
        )


def _flush(
    root: Root, path: Path, prefix: str, images: list[tarfile.TarInfo], texts: dict[str, str]
) -> Iterator[Item]:
    if not images:
        return
    metadata: dict[str, Any] = {}
    try:
        found = json.loads(texts.get("json", "{}"))
        metadata = found if isinstance(found, dict) else {}
    except ValueError:
        pass
    prompt = (texts.get("txt") or texts.get("caption") or "").strip()
    prompt = prompt or next(
        (str(metadata[key]) for key in ("prompt", "text", "caption") if metadata.get(key)), ""
    )
    for member in images:
        name = root.name(prefix + member.name)
        yield Item(
            os.fspath(path), name, root.group(prompt), prompt, metadata, (member.offset_data, member.size)
        )
