"""``rankkit score``: images to rows."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rankkit.cli.analyse import write_gallery
from rankkit.cli.console import earlier_rows, print_rows, say
from rankkit.cli.program import (
    Caption,
    CaptionOption,
    GridOption,
    PromptOption,
    PromptsOption,
    RawPrompts,
    Specs,
    grid_of,
    named,
    program,
)
from rankkit.core.text import count
from rankkit.errors import UsageError

if TYPE_CHECKING:
    from rankkit.scoring.lanes import Outcome
    from rankkit.scoring.shards.shard import Reading


class Engine(str, Enum):
    """Where the scoring runs."""

    local = "local"
    ray = "ray"


Sources = Annotated[
    list[str],
    typer.Argument(
        metavar="PATH",
        help="Folders, images, .tar archives or manifests; with --engine ray also URLs of .tar and "
        ".parquet files, or of folders that hold some.",
    ),
]
Output = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="scores.jsonl",
        help="Where the rows are written: .jsonl, .csv or .parquet. Without it a terminal shows the best "
        "images, and a pipe or file gets the rows as jsonl. With --engine ray also a folder, FOLDER/ or "
        "a URL: a file of rows for each archive, and manifest.json.",
    ),
]
Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="report.html", help="Also write a report: one self-contained HTML file."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Score at most this many images.")]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Discard existing scores; once interrupted, the same command goes on."),
]
Prune = Annotated[
    bool,
    typer.Option("--prune", help="Drop rows of images that are gone or whose prompt has changed since."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 1 when any image abstained.")]
Workers = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Processes for rankers that are plain functions; by default one per core. With --engine "
        "ray: workers for all rankers, by default one per GPU, else per CPU; several may share a GPU.",
    ),
]
EngineOption = Annotated[Engine, typer.Option(help="Score here, or on a Ray cluster.")]


@dataclass(frozen=True)
class _Asked:
    """What the command asks for, wherever the rows go: which images, by which rankers, and how."""

    paths: list[str]
    specs: list[str]
    prompts: Path | None
    reading: Reading
    limit: int | None
    overwrite: bool
    prune: bool
    workers: int | None
    engine: Engine
    html: Path | None

    def write_report(self, rows: str | Path) -> None:
        """Write the page of these rows, if one was asked for."""
        if self.html is not None:
            about = {"paths": " ".join(self.paths), "prompt": self.reading.prompt}
            write_gallery(rows, self.html, {**about, "limit": self.limit})

    def check_report(self, rows: Path) -> None:
        """Raise `UsageError` where the page that was asked for cannot be written, or would replace `rows`."""
        from rankkit.io.formats import check_no_input
        from rankkit.report.output import check_page_output

        if self.html is not None:
            check_no_input(self.html, [rows], "the rows go there", "--html")
            check_page_output(self.html)


@program.command()
def score(
    paths: Sources,
    ranker: Specs = None,
    prompts: PromptsOption = None,
    prompt: PromptOption = None,
    caption: CaptionOption = Caption.first,
    raw_prompts: RawPrompts = False,
    grid: GridOption = "1x1",
    output: Output = None,
    html: Html = None,
    limit: Limit = None,
    overwrite: Overwrite = False,
    prune: Prune = False,
    strict: Strict = False,
    workers: Workers = None,
    engine: EngineOption = Engine.local,
) -> None:
    """Score every image with every ranker, or continue an earlier run.

    Exit code 3: finished, but some images abstained.
    """
    from rankkit.scoring.checks import folder_of_rows
    from rankkit.scoring.shards.shard import Reading

    asked = _Asked(
        paths=paths,
        specs=named(ranker),
        prompts=prompts,
        reading=Reading(prompt, caption.value, raw_prompts, grid_of(grid)),
        limit=limit,
        overwrite=overwrite,
        prune=prune,
        workers=workers,
        engine=engine,
        html=html,
    )
    folder = folder_of_rows(output, on_ray=engine is Engine.ray)
    outcome = _into_file(asked, output) if folder is None else _into_folder(asked, folder)
    if outcome.abstained:
        raise typer.Exit(1 if strict else 3)


def _into_file(asked: _Asked, output: str | None) -> Outcome:
    """Score into one file of rows; without `output` into one that is shown and dropped."""
    from rankkit.cli.progress import prepared, progress
    from rankkit.io.prompts import survey
    from rankkit.scoring.checks import check_output
    from rankkit.scoring.engine import score as score_images
    from rankkit.scoring.lanes import Here
    from rankkit.scoring.ray.chunks import OnRay

    with contextlib.nullcontext("") if output else tempfile.TemporaryDirectory(prefix="rankkit-") as folder:
        rows = Path(output or os.path.join(folder, "rows.jsonl"))
        read = asked.reading
        surveys = survey(
            asked.paths, prompts=asked.prompts, captions=read.captions, raw=read.raw, grid=read.grid
        )
        check_output(rows, surveys)
        asked.check_report(rows)
        rankers = [prepared(spec) for spec in asked.specs]
        outcome = score_images(
            surveys,
            rankers,
            rows,
            prompt=read.prompt,
            limit=asked.limit,
            overwrite=asked.overwrite,
            prune=asked.prune,
            engine=(OnRay if asked.engine is Engine.ray else Here)(asked.workers),
            say=say,
            progress=progress,
        )
        if output is None:
            print_rows(rows)
        asked.write_report(rows)
    _summarise(outcome, output)
    pairwise = ", ".join(each.identity.ranker for each in rankers if each.kind == "pairwise")
    if pairwise and 0 < outcome.images == outcome.groups:
        say(
            f"note: no group has a second image for {pairwise} to compare; "
            "rankkit compare DIR_A DIR_B compares two folders"
        )
    return outcome


def _into_folder(asked: _Asked, output: str) -> Outcome:
    """Score shard by shard on Ray's workers, into a folder with a file of rows for each."""
    from rankkit.cli.progress import prepared, progress
    from rankkit.io.urls import path_of
    from rankkit.scoring.ray.shards import shard_workers
    from rankkit.scoring.shards.run import score_shards

    if asked.limit:
        raise UsageError(
            f"--limit {asked.limit}: workers read archives whole; to try some images give -o FILE, or name "
            "fewer archives"
        )
    asked.check_report(Path(output))
    rankers = [prepared(spec) for spec in asked.specs]
    outcome = score_shards(
        asked.paths,
        rankers,
        path_of(output),
        shard_workers(rankers, asked.workers, say),
        prompts=asked.prompts,
        reading=asked.reading,
        overwrite=asked.overwrite,
        prune=asked.prune,
        say=say,
        progress=partial(progress, what="shards"),
    )
    asked.write_report(output)
    _summarise(outcome, output)
    return outcome


def _summarise(outcome: Outcome, output: str | None) -> None:
    where = f"; rows written to {output}" if output else ""
    done = f"{outcome.scored} scored, {outcome.reused} known already, {outcome.abstained} abstained"
    say(f"{count(outcome.images, 'image')} in {count(outcome.groups, 'group')}: {done}{where}")
    if outcome.stale:
        kept, drops = ("is kept", "drops it") if outcome.stale == 1 else ("are kept", "drops them")
        say(f"{earlier_rows(outcome.stale)} {kept}; --prune {drops}")
    if outcome.pruned:
        say(f"{earlier_rows(outcome.pruned)} {'is' if outcome.pruned == 1 else 'are'} dropped")
    for reason, number in outcome.reasons.most_common(5):
        example = outcome.examples.get(reason)
        first = f" ({'first ' if number > 1 else ''}{example})" if example else ""
        say(f"  {number} × {reason}{first}")
