"""Checks around a run: where its rows go, whether rankers get their prompts, which images are gone."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from rankkit.core.text import count, first_few
from rankkit.errors import BadSource, UsageError
from rankkit.io.formats import check_row_output
from rankkit.io.prompts import Survey
from rankkit.io.prompts.base import Root
from rankkit.io.prompts.imagefolder import STEMS
from rankkit.io.prompts.tiles import file_of
from rankkit.io.rows import locate
from rankkit.registry.load import Prepared
from rankkit.scoring.plan import RunPlan

ENDS = ("/", os.sep)  # of what is a folder by its name


def folder_of_rows(output: str | None, *, on_ray: bool) -> str | None:
    """The folder that rows go into, a file for each shard; None where they go into one file, or are shown.

    Raises `UsageError` for an empty `output`, and for a place that only workers on Ray write to.
    """
    if output == "":
        raise UsageError("-o is empty (a variable that is not set?); give a file, or leave it out")
    if output is None:
        return None
    elsewhere, folder = "://" in output, output.endswith(ENDS)
    if on_ray:
        return output if elsewhere or folder or os.path.isdir(output) else None
    if elsewhere:
        raise UsageError(f"-o {output}: rows go to a URL with --engine ray only; give a file of this machine")
    if folder:
        raise UsageError(
            f"-o {output}: rows go to .jsonl, .csv, .parquet; a folder of them, a file for each archive, "
            "needs --engine ray"
        )
    return None


def check_output(output: Path, surveys: Sequence[Survey]) -> None:
    """Refuse an output that is no file of rows, or that this run or the next would read as prompts.

    Raises `UsageError`.
    """
    roots = [found.root for found in surveys]
    check_row_output(output, [place for root in roots for place in (root.manifest, root.path) if place])
    for root in roots:
        if (
            output.stem.lower() in STEMS
            and not root.files
            and root.path.absolute() in output.absolute().parents
        ):
            raise UsageError(
                f"{output}: the next run over {root.label or 'this folder'} would read it as prompts; "
                "give another -o"
            )


def need_prompts(plan: RunPlan, rankers: Sequence[Prepared], say: Callable[[str], object]) -> None:
    """Rankers that need a prompt refuse images without one, by name, before any weights are loaded."""
    needy = [ranker.identity.ranker for ranker in rankers if ranker.needs_prompt]
    missing, some = plan.without_prompt()
    if not needy or not missing:
        return
    names = first_few(some, of=missing)
    who = f"{' and '.join(needy)} cannot do without a prompt"
    if missing == plan.planned():
        raise BadSource(f"{who}, and no image has one ({names}); give --prompt TEXT or --prompts FILE")
    say(f"{who}, and {count(missing, 'image')} {'has' if missing == 1 else 'have'} none: {names}")


def is_gone(image: str, *, roots: Sequence[Root], beside: Path) -> bool:
    """Whether an image that a row names lay in one of the folders of this run and is there no more.

    An image in an archive, or below a folder that may not be read, is not known to be gone.
    """
    known = locate(image, beside) or locate(file_of(image), beside)
    if known or not any(_below(image, root) for root in roots):
        return False
    found = next((parent for parent in Path(image).parents if parent.exists()), Path())
    return found.is_dir() and os.access(found, os.X_OK)


def _below(image: str, root: Root) -> bool:
    if root.files:
        return False
    inside = not os.path.isabs(image) and not image.startswith("../")
    return image.startswith(f"{root.label}/") if root.label else inside


def need_images(plan: RunPlan) -> None:
    """Raises `BadSource` for a plan without images."""
    if not plan.planned():
        raise BadSource(
            "no image was found; name a folder that holds .png, .jpg, .webp … files, an archive or a manifest"
        )
