"""The command ``drpo``: parse, one library call, print."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rankkit import RankkitError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Finetune one-step text-to-image generators from rankings alone.",
)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe; `drpo recipes` lists them.")],
    settings: Annotated[
        list[str] | None,
        typer.Argument(
            help="field=value over the recipe's; out=DIR names the run folder, tracker=tensorboard or wandb follows it."
        ),
    ] = None,
) -> None:
    """Train, or go on training: a run folder that holds a checkpoint of the same config is resumed."""
    from drpo.config import placed, with_settings
    from drpo.recipes import recipe as named
    from drpo.report import report
    from drpo.run import checkpoint, setup
    from drpo.run.progress import progress
    from drpo.run.run import run

    places, rest = placed(settings or [])
    config, out = with_settings(named(recipe), rest), Path(places.get("out") or f"runs/{recipe}")
    checkpoint.check(out, asdict(config))  # before anything is loaded
    trainer, monitor = setup.trainer(config)
    main = trainer.accelerator.is_main_process
    with progress(config.steps) if main else nullcontext(lambda row: None) as show:
        ending = run(trainer, out, monitor=monitor, watch=show, tracker=places.get("tracker", "none"))
    if main:
        early = (
            f"interrupted after step {trainer.steps_done} of {config.steps}"
            if ending.interrupted
            else ending.alarm
        )
        typer.echo(f"{early + '; ' if early else ''}the report is {report.write(out)}", err=True)
        typer.echo(str(out))
    if ending.interrupted:
        typer.echo("give the same command again to go on", err=True)
        raise typer.Exit(130)


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    prompts: Annotated[Path, typer.Option(help="A text file with one prompt per line.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Where the pictures go; default RUN/samples.")
    ] = Path(),
    each: Annotated[int, typer.Option(help="Pictures per prompt.")] = 4,
    seed: Annotated[int, typer.Option(help="Decides the noises.")] = 0,
    base: Annotated[bool, typer.Option(help="Sample the untrained base instead.")] = False,
) -> None:
    """Sample a trained run: one folder per prompt with prompt.txt and numbered pictures, as `rankkit score`
    reads them.
    """
    from drpo.run.sample import sample_run

    typer.echo(
        str(
            sample_run(
                run, prompts, out if out != Path() else run / "samples", each=each, seed=seed, base=base
            )
        )
    )


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    prompts: Annotated[
        str,
        typer.Option(
            help="A text file with one prompt per line; `shapes-final` for built-in ones kept for this."
        ),
    ],
    ranker: Annotated[
        list[str], typer.Option("--ranker", "-r", help="A ranker; give several to see whether they agree.")
    ],
    each: Annotated[int, typer.Option(min=1, help="Pictures per prompt.")] = 4,
    seed: Annotated[int, typer.Option(help="Decides the noises.")] = 0,
) -> None:
    """Compare a run with its base on the same noises: a win rate per ranker, with an interval.

    The run's report shows it too.
    """
    from drpo import build
    from drpo.data.prompts import prompts as prompts_of
    from drpo.report import report
    from drpo.report.evaluate import evaluate as compare

    rankers = {spec: build.ranker(spec) for spec in ranker}
    verdicts = compare(run, rankers, prompts_of(prompts), each=each, seed=seed)
    report.keep(run, verdicts, prompts)
    report.write(run)
    for verdict in verdicts:
        typer.echo(str(verdict))


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="report.html", help="The page; default RUN/report.html."),
    ] = None,
    beside: Annotated[
        Path | None,
        typer.Option(help="Rows of earlier runs (.jsonl), to draw a random ranker's curve beside."),
    ] = None,
) -> None:
    """Write a run's page: gains, curves, pictures before and after."""
    from drpo.report.report import write

    typer.echo(str(write(run, out, beside=beside)))


@app.command()
def recipes() -> None:
    """List the recipes."""
    from drpo.recipes import recipes as known

    for name, recipe in known().items():
        typer.echo(f"{name:<20}{(recipe.__doc__ or '').splitlines()[0]}")


def main() -> None:
    """Run the command; a `RankkitError` becomes one line and exit code 1."""
    try:
        app()
    except RankkitError as error:
        typer.echo(f"drpo: {error}", err=True)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
