"""The command ``drpo``: parse, one library call, print."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from drpo.settings import PLACES, described
from rankkit import UsageError
from rankkit.plugin import Program, print_result, say

BEGIN = """Finetune one-step text-to-image generators from rankings alone. To begin:

\b
drpo train shapes ranker=shapes out=first-run   train a tiny built-in generator: minutes on a CPU
drpo evaluate first-run --prompts shapes-final -r shapes:mode=strict   compare it with its base
drpo recipes   see what else can be trained
"""
app = Program(
    "drpo",
    BEGIN,
    install="pip install 'rankkit-t2i[drpo]'",
)

PROMPTS = "Prompts: a text file with one per line, a table (.jsonl .csv .tsv .json .parquet) or a folder."
BESIDE = "Rows of earlier runs (.jsonl): other methods, and a random ranker's curve, beside this run."
TRAIN = "Train, or go on training: a run folder that holds a checkpoint of the same config is resumed."


# --steps=3, as other trainers have it, is answered as any unknown field: by what was meant
@app.command(help=f"{TRAIN}\n\n{described()}", context_settings={"ignore_unknown_options": True})
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe; `drpo recipes` lists them.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FIELD=VALUE",
            help=f"Settings in place of the recipe's; {' and '.join(PLACES)} say where the run is written "
            "and what follows it.",
        ),
    ] = None,
) -> None:
    """Train to the last step of a config, or go on from the newest checkpoint of the run folder."""
    from dataclasses import asdict

    from drpo import build
    from drpo.recipes import recipe as named
    from drpo.report import report
    from drpo.run import checkpoint, setup
    from drpo.run.progress import progress
    from drpo.run.run import run
    from drpo.settings import placed, with_settings

    places, rest = placed(settings or [])
    config, out = with_settings(named(recipe), rest), Path(places.get("out") or f"runs/{recipe}")
    checkpoint.check(out, asdict(config))  # before anything is loaded
    build.limit_threads(config)
    trainer, monitor = setup.trainer(config)
    main = trainer.accelerator.is_main_process
    with progress(config.steps) if main else nullcontext(lambda row: None) as show:
        ending = run(trainer, out, monitor=monitor, watch=show, tracker=places.get("tracker", "none"))
    if main:
        interrupted = f"interrupted after step {trainer.steps_done} of {config.steps}"
        ended = [ending.alarm, ending.skipped or ending.unimproved]
        words = [interrupted] if ending.interrupted else ended
        say("; ".join([*filter(None, words), f"report written to {report.write(out)}"]))
        print_result(str(out))
    if ending.interrupted or ending.skipped:
        raise typer.Exit(130 if ending.interrupted else 3)


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    prompts: Annotated[str, typer.Option(help=PROMPTS)],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Where the images are written; RUN/samples if not given."),
    ] = None,
    each: Annotated[
        int | None,
        typer.Option(min=1, help="Images per prompt; 4 if not given, and 1 with --best-of."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    base: Annotated[bool, typer.Option(help="Sample the untrained base instead.")] = False,
    best_of: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Of N candidates per prompt keep those that -r puts first."),
    ] = None,
    ranker: Annotated[
        str | None, typer.Option("--ranker", "-r", metavar="SPEC", help="The ranker for --best-of.")
    ] = None,
) -> None:
    """Sample a trained run: one folder per prompt, as `rankkit score` reads them.

    Each folder holds prompt.txt and numbered images. With --best-of, metadata.jsonl says of how many each is
    the best, and its score.
    """
    from drpo import build
    from drpo.run.sample import BestOf, read_config, sample_run

    each = each or (1 if best_of else 4)
    if (best_of is None) != (ranker is None):
        raise UsageError(
            "--best-of N needs the ranker that says which is best (-r SPEC), and -r needs --best-of"
        )
    if best_of is not None and best_of < each:
        raise UsageError(f"--best-of {best_of} --each {each}: of {best_of} candidates {each} cannot be kept")
    build.limit_threads(read_config(run))
    best = BestOf(best_of, ranker, build.ranker(ranker)) if best_of and ranker else None
    print_result(
        str(sample_run(run, prompts, out or run / "samples", each=each, seed=seed, base=base, best=best))
    )
    if best and best.silent:
        for reason in best.silent[:3]:
            say(reason)
        say(f"{len(best.silent)} prompts have no image, because the ranker abstained")
        raise typer.Exit(3)


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    prompts: Annotated[
        str,
        typer.Option(help=f"{PROMPTS} `shapes-final`: built-in ones kept for this."),
    ],
    ranker: Annotated[
        list[str], typer.Option("--ranker", "-r", help="A ranker; give several to see whether they agree.")
    ],
    each: Annotated[int, typer.Option(min=1, help="Images per prompt.")] = 4,
    seed: Annotated[int, typer.Option(help="Random seed.")] = 0,
    beside: Annotated[Path | None, typer.Option(help=BESIDE, exists=True, dir_okay=False)] = None,
) -> None:
    """Compare a run with its base on the same noise: a win rate per ranker, with an interval.

    RUN/report.html shows it in full: what was gained and where it got worse, by task and in images, the
    curves of the run, what it cost.
    """
    from drpo import build
    from drpo.data.prompts import prompts as prompts_of
    from drpo.report import kept, report
    from drpo.report.evaluate import evaluate as compare
    from drpo.run.sample import read_config

    build.limit_threads(read_config(run))
    rankers = {spec: build.ranker(spec) for spec in ranker}
    found = compare(run, rankers, prompts_of(prompts), each=each, seed=seed)
    for comparison in found.comparisons:  # first, as the folder may not be written
        print_result(str(comparison))
    for words in found.troubles:
        say(words)
    kept.keep(run, found, prompts)
    say(f"report written to {report.write(run, beside=beside)}")
    if not all(comparison.pairs for comparison in found.comparisons):
        raise typer.Exit(3)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="report.html",
            help="Where the report is written; RUN/report.html if not given.",
        ),
    ] = None,
    beside: Annotated[Path | None, typer.Option(help=BESIDE, exists=True, dir_okay=False)] = None,
) -> None:
    """Write a run's report: gains, curves, images before and after."""
    from drpo.report.report import write

    print_result(str(write(run, out, beside=beside)))


@app.command()
def push(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    repository: Annotated[str, typer.Argument(metavar="REPO", help="A repository of the hub: owner/name.")],
    dry_run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write what would be uploaded there, and stop.")
    ] = None,
    base: Annotated[
        str, typer.Option(help="The base model's hub id, where the run was trained on a folder.")
    ] = "",
    licence: Annotated[
        str, typer.Option(help="The base model's licence as the hub names it, where drpo does not know it.")
    ] = "",
    private: Annotated[
        bool,
        typer.Option(
            "--private/--public", help="Whether a repository that does not exist yet is made private."
        ),
    ] = True,
) -> None:
    """Upload a trained LoRA with a model card, images before and after, and a script to paste."""
    from drpo.report.push import push as upload
    from drpo.report.push import write

    if dry_run is not None:
        print_result(str(write(run, repository, dry_run, base_model=base, licence_id=licence)))
    else:
        print_result(upload(run, repository, private=private, base_model=base, licence_id=licence))


@app.command()
def recipes() -> None:
    """List the recipes."""
    from drpo.recipes import recipes as known

    width = max(map(len, known())) + 2
    for name, recipe in known().items():
        print_result(f"{name:<{width}}{(recipe.__doc__ or '').splitlines()[0]}")


main = app.main

if __name__ == "__main__":
    main()
