"""Which files of a folder are its lists of prompts: tables before texts, one kind, one split."""

from __future__ import annotations

import re
from pathlib import Path

from rankkit.errors import UsageError
from rankkit.io.prompts.base import JUNK
from rankkit.io.tables import READERS

ACCEPTED = f"a text file with one prompt per line, a table ({', '.join(READERS)}) or a folder"
SPLIT = re.compile(r"(train|test|val|valid|validation|dev|eval)(?:[-_.]\d+(?:-of-\d+)?)?", re.IGNORECASE)
BESIDE = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json")  # of datasets


def files_of(folder: Path) -> list[Path]:
    """The files of a folder that hold its prompts: tables before texts, its own before those below."""
    below = sorted(
        each
        for each in folder.iterdir()
        if each.is_dir() and not each.name.startswith(".") and each.name not in JUNK
    )
    for places in ([folder], below):
        for suffixes in (tuple(READERS), (".txt",)):
            found = [file for place in places for file in sorted(place.iterdir()) if file.is_file()]
            found = [file for file in found if file.suffix.lower() in suffixes and file.name[0] != "."]
            found = [file for file in found if file.name not in BESIDE]
            kinds = sorted({file.suffix.lower() for file in found})
            if len(kinds) > 1:
                raise UsageError(
                    f"{folder}: holds tables of several kinds ({', '.join(kinds)}); name the one "
                    f"with the prompts"
                )
            _check_splits(folder, found)
            if found:
                return found
    if any(file.suffix == ".arrow" for place in (folder, *below) for file in place.iterdir()):
        raise UsageError(
            f"{folder}: holds Arrow files, as Dataset.save_to_disk writes them; write them as .parquet: "
            "datasets.load_from_disk(FOLDER).to_parquet(FILE)"
        )
    raise UsageError(f"{folder}: holds no prompts; give {ACCEPTED}")


def _check_splits(folder: Path, files: list[Path]) -> None:
    """Raise `UsageError` where files are of several splits of a dataset: trained on are those of one."""
    named = [SPLIT.fullmatch(name) for file in files for name in (file.stem, file.parent.name)]
    splits = sorted({found[1].lower() for found in named if found})
    if len(splits) > 1:
        raise UsageError(
            f"{folder}: holds several splits ({', '.join(splits)}); name the file of one, or a folder with it"
        )
