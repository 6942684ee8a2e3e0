"""JSON maps of files to prompts: ``prompts.json`` or ``captions.json`` with ``{"a.png": "a cat"}``, COCO's
``captions_val2014.json``, MJHQ's ``meta_data.json`` or DiffusionDB's ``part-000001.json``, in the folder or
below.
"""

from __future__ import annotations

import os
import re

from rankkit.io.prompts.base import Root, Source
from rankkit.io.prompts.imagefolder import in_tables

NAME = "a JSON map of files to prompts"


def find(root: Root) -> Source | None:
    """The images that the maps name."""
    return in_tables(root, NAME, _is_map)


def _is_map(name: str) -> bool:
    stem, suffix = os.path.splitext(name.lower())
    return suffix == ".json" and (
        stem in ("prompts", "metadata", "meta_data")
        or stem.startswith("captions")
        or re.fullmatch(r"part-\d{6}", stem) is not None
    )
