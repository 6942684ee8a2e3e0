"""What the tests of choosing share: rows of given scores, their images, and what a folder holds."""

import math
import os
from pathlib import Path

from score_runs import save_image

from rankkit.choose.select.candidates import read_pool
from rankkit.choose.select.rule import Rule, select
from rankkit.core.types import Identity
from rankkit.io.formats import replacing
from rankkit.io.rows import row


def write_rows(path: Path, scores, *, ranker="hpsv3", kind="pointwise", prompt="a cat", group=None) -> list:
    """Rows by one ranker of images by their names; a score of None or NaN is an abstention."""
    identity = Identity(
        *([ranker] if isinstance(ranker, str) else ranker), *(["1"] * isinstance(ranker, str))
    )
    found = []
    for name, score in scores.items():
        said = prompt(name) if callable(prompt) else prompt
        found.append(
            row(
                identity,
                group=group(name) if callable(group) else group or said or "images",
                prompt=said,
                image=name,
                sha256="",
                kind=kind,
                score=math.nan if score is None else score,
                details={"error": "cannot be judged"} if score is None else {},
            )
        )
    with replacing(path) as write:
        for each in found:
            write(each)
    return found


def images_and_rows(path: Path, scores, **options) -> Path:
    """The images that the rows name, below the folder of the rows, and the row file itself."""
    for seed, name in enumerate(scores):
        save_image(path / name, seed)
    write_rows(path / "scores.jsonl", scores, **options)
    return path / "scores.jsonl"


def chosen(files, *specs, per=None, near=None, **rule):
    """The selection that `rankkit select` would make."""
    files = [files] if isinstance(files, (str, Path)) else files
    return select(read_pool(files, specs, per), Rule(**rule), near)


def names(selection) -> list[str]:
    return [each.candidate.image for each in selection.chosen]


def tree(path: Path) -> dict:
    """Everything below a folder: contents of files, where links lead, and folders."""
    found = {}
    for folder, folders, files in os.walk(path):
        for name in [*folders, *files]:
            at = Path(folder, name)
            key = at.relative_to(path).as_posix()
            if at.is_symlink():
                found[key] = f"-> {os.readlink(at)}"
            else:
                found[key] = at.read_bytes() if at.is_file() else None
    return found
