"""A run as one self-contained page in the gallery's design: what it gained, its curves, its images at every
evaluation, where it got worse, what it cost, its settings.

The page holds everything it shows and loads nothing. `rankkit gallery --extra` takes it up as a section of
its own page.
"""

from __future__ import annotations

from pathlib import Path

from drpo.report import kept
from drpo.report.sections import cost, curves, gains, images, worse
from drpo.report.sections.beside import beside as among
from drpo.run import checkpoint
from drpo.run.files import LOG, read_rows
from rankkit import RankkitError
from rankkit.plugin import Section, write_page

REPORT = "report.html"


def write(run: Path, out: Path | None = None, *, beside: Path | None = None) -> Path:
    """Write the page of a run, ``RUN/report.html`` unless `out` names another, and return its path.

    `beside` is a file of ``.jsonl`` rows of other runs: each method's share of right images (``method`` or
    ``arm``, ``before``, ``after``) is put beside this run's, and the last curve of a random ranker (``arm``,
    ``curve``: reward per step) is drawn beside its own, and said to come from there.
    """
    path = out or run / REPORT
    found = kept.comparison(run)
    sections = [section for section in _sections(run, found, beside) if section]
    lead = gains.lead(found.comparisons) if found else ""
    try:
        return write_page(
            path,
            f"drpo: {run.resolve().name}",
            sections,
            lead=lead or _unmeasured(run),
            tiles=_tiles(run, found),
        )
    except OSError as error:
        raise RankkitError(
            f"{path} cannot be written ({error.strerror or error}); give another file"
        ) from None


def _sections(run: Path, found: kept.Comparison | None, beside: Path | None) -> list[Section | None]:
    compared = [gains.gains(found, kept.target(run)), worse.tasks(found)] if found else []
    return [
        *compared,
        curves.curves(run, beside),
        images.images(run),
        worse.worse(found) if found else None,
        among(run, found, beside),
        cost.cost(run),
        cost.settings(run),
    ]


def _unmeasured(run: Path) -> str:
    """What to do for a run that was not compared with its base yet."""
    return f"Not compared with its base yet: `drpo evaluate {run} --prompts FILE -r RANKER` does that."


def _tiles(run: Path, found: kept.Comparison | None) -> list[tuple[str, str]]:
    """The page's first numbers."""
    rows, target = read_rows(run / LOG), kept.target(run)
    tiles = [
        (f"{one.win_rate:.0%}", f"of pairs won, by {one.ranker}")
        for one in (found.comparisons if found else [])
        if one.ranker == target and one.pairs
    ]
    spent = sum(cost.phases(rows).values())
    tiles += [(f"{len(rows):,}", "steps"), (f"{cost.images_made(run):,}", "candidates")]
    tiles += [(cost.duration(spent), "of training")] if spent else []
    seed = checkpoint.read(run).get("seed")
    return [*tiles, *([(str(seed), "seed")] if seed is not None else [])]
