"""Hugging Face imagefolder:
``metadata.jsonl``, ``.csv`` or ``.parquet`` with `file_name` and `text` or `prompt`; splits too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from rankkit.io.prompts import manifest
from rankkit.io.prompts.base import Item, Root, folders

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")


def find(root: Root) -> Callable[[], Iterator[Item]] | None:
    """The images that the metadata files of this folder and of its sub-folders name, then those that none of
    them mentions.
    """
    if root.files or not root.path.is_dir():
        return None
    metadata = [path for path in _metadata_files(root.path) if _has_file_names(path)]
    return (lambda: manifest.listed(root, metadata, beside=True)) if metadata else None


def _metadata_files(folder: Path) -> list[Path]:
    """Metadata files here, else in the folders directly below (splits): the first name of each folder that
    exists.
    """
    for places in ([folder], [folder / name for name in folders(folder)]):
        found = [
            path
            for each in places
            for path in [next((each / name for name in NAMES if os.path.isfile(each / name)), None)]
            if path
        ]
        if found:
            return found
    return []


def _has_file_names(path: Path) -> bool:
    """GenEval folders hold a metadata.jsonl too; it names no file, and is for that source to complain
    about.
    """
    if path.parent.name.isdigit() and os.path.isdir(path.parent / "samples"):
        return False
    first = next(manifest.records(path), None)
    return first is not None and "file_name" in first[1]
