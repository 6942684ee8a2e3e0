"""The command line: parse, one library call, print. Results go to stdout, talk to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from rankkit.errors import RankkitError, UsageError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Order images by any preference.",
)

Specs = Annotated[
    list[str] | None,
    typer.Option(
        "-r",
        "--ranker",
        metavar="SPEC",
        help="name, name:key=value,key=value, module:function, or a*2+b. Repeatable.",
    ),
]
Prompts = Annotated[
    Path | None,
    typer.Option(help="Manifest (.jsonl .csv .parquet .json) or folder of .txt files with the prompts."),
]
Prompt = Annotated[str | None, typer.Option(help="One prompt for every image that has none.")]
Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="report.html", help="Also write a gallery: one self-contained HTML file."),
]


INTERRUPTED = 130  # what a shell shows for Ctrl-C, and what Typer returns for it

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Engine(str, Enum):
    """Where the scoring runs."""

    local = "local"
    ray = "ray"


class By(str, Enum):
    """What an entry of a leaderboard is."""

    file = "file"
    folder = "folder"


class Ties(str, Enum):
    """What a ranker's tie counts for where humans did choose."""

    half = "half"
    wrong = "wrong"
    drop = "drop"


class Form(str, Enum):
    """How a leaderboard is printed."""

    text = "text"
    markdown = "markdown"
    csv = "csv"
    json = "json"


def main() -> NoReturn:
    """Run the command line; errors meant for people are one line on stderr and an exit code."""
    try:
        code = int(app(standalone_mode=False, prog_name="rankkit") or 0)
        sys.stdout.flush()
    except SystemExit as exit:
        gone = isinstance(exit.__context__, BrokenPipeError)  # Typer met it first, and exits with 1
        code = 0 if gone else exit.code if isinstance(exit.code, int) else 1
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # the reader has gone; nothing more to say to it
        code = 0
    except RankkitError as error:
        _say(f"error: {error}")
        code = 2 if isinstance(error, UsageError) else 1
    except Exception as error:
        code = _unexpected(error)
    if code == INTERRUPTED:
        _say("stopped; give the same command again to go on")
    sys.exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"rankkit {version('rankkit-t2i')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version and go.")
    ] = False,
) -> None:
    """Order images by any preference."""


@app.command()
def score(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Folders, images, .tar archives or manifests.")
    ],
    ranker: Specs = None,
    prompts: Prompts = None,
    prompt: Prompt = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="scores.jsonl",
            help="Rows: .jsonl, .csv or .parquet; if not given, the rows go to stdout as jsonl, and a terminal shows the best images.",
        ),
    ] = None,
    html: Html = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Score at most this many images.")] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Forget earlier scores in the output.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 when any image abstained.")] = False,
    engine: Annotated[Engine, typer.Option(help="Score here, or on a Ray cluster.")] = Engine.local,
) -> None:
    """Score every image with every ranker; go on where an earlier run stopped.

    Exit code 3: finished, but some images abstained.
    """
    from rankkit.cli.progress import progress
    from rankkit.io.formats import format_of
    from rankkit.io.prompts import survey
    from rankkit.registry.load import prepare
    from rankkit.scoring import engine as scoring

    with contextlib.nullcontext("") if output else tempfile.TemporaryDirectory(prefix="rankkit-") as folder:
        rows = output or Path(folder, "rows.jsonl")
        format_of(rows)
        with _prints_on_stderr():
            rankers = [prepare(spec) for spec in _specs(ranker)]
            surveys = survey(paths, prompts=prompts)
            outcome = scoring.score(
                surveys,
                rankers,
                rows,
                prompt=prompt,
                limit=limit,
                overwrite=overwrite,
                engine=engine.value,
                say=_say,
                progress=progress,
            )
        if output is None:
            _show(rows)
        if html is not None:
            _gallery(rows, html, {"paths": " ".join(map(str, paths)), "prompt": prompt, "limit": limit})
    _report(outcome, output)
    idle = ", ".join(each.identity.ranker for each in rankers if each.kind == "pairwise")
    if idle and 0 < outcome.images == outcome.groups:
        _say(
            f"note: no group has a second image for {idle} to compare; rankkit compare DIR_A DIR_B puts two folders side by side"
        )
    if outcome.abstained:
        raise typer.Exit(1 if strict else 3)


@app.command("list")
def list_(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also what each ranker's card says: range, scale, licence.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="An array of objects with name, distribution, version.")
    ] = False,
) -> None:
    """The installed rankers. Imports none of them."""
    from rankkit.registry import cards
    from rankkit.registry.catalog import installed

    offers = [cards.describe(offer, verbose=verbose) for offer in installed()]
    if as_json:
        print(json.dumps(offers, indent=2, ensure_ascii=False))
        return
    width = max((len(str(offer["name"])) for offer in offers), default=0)
    for offer in offers:
        print(
            f"{offer['name']:<{width}}  {offer['distribution']} {offer['version']}"
            + (f"  BROKEN: {offer['error']}" if "error" in offer else "")
        )
        for key, value in offer.get("card", {}).items():
            print(f"{'':<{width}}    {key}: {value}")
    clash = cards.clash()
    if clash:
        _say(f"warning: {clash}")


@app.command()
def table(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Row files: .jsonl, .csv or .parquet.")
    ],
    by: Annotated[By, typer.Option(help="What an entry of the leaderboard is.")] = By.file,
    win_rate: Annotated[
        bool,
        typer.Option(
            "--win-rate", help="How often an entry beats the others on the same prompt, not its mean."
        ),
    ] = False,
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = Form.text,
) -> None:
    """A leaderboard from rows: mean ± standard error clustered by prompt, or win rate."""
    from rankkit.analysis import leaderboard as tables

    print(tables.render(tables.table(files, by=by.value), form=form.value, win_rate=win_rate))


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="DIR_A")],
    b: Annotated[Path, typer.Argument(metavar="DIR_B")],
    ranker: Specs = None,
    prompts: Prompts = None,
    prompt: Prompt = None,
    as_json: Json = False,
) -> None:
    """Whose pictures are preferred: paired win rate with a 95 % interval."""
    from rankkit.analysis import compare as comparing
    from rankkit.cli.progress import progress
    from rankkit.registry.load import load

    names = _specs(ranker)
    pairing = comparing.pair(a, b, prompts=prompts, prompt=prompt)
    _say(f"{len(pairing.pairs)} pairs by {pairing.by}")
    for side, alone in ((a, pairing.only_a), (b, pairing.only_b)):
        if alone:
            _say(
                f"{len(alone)} images of {side} have no partner: {', '.join(alone[:3])}{' …' if len(alone) > 3 else ''}"
            )
    with _prints_on_stderr(), progress(len(pairing.pairs) * len(names), "pairs") as advance:
        found = comparing.compare(pairing.pairs, {name: load(name) for name in names}, progress=advance)
    print(
        json.dumps([each.as_json() for each in found], indent=2)
        if as_json
        else comparing.render(found, str(a), str(b))
    )
    failures = {name: reason for each in found for name, reason in each.failures.items()}
    for name, reason in list(failures.items())[:5]:
        _say(f"no verdict on {name}: {reason}")
    if failures:
        raise typer.Exit(3)


@app.command()
def agree(
    pairs: Annotated[
        Path,
        typer.Argument(
            metavar="PAIRS", help="Human choices: HPDv2, HPDv3, Pick-a-Pic, ImageReward, or jsonl pairs."
        ),
    ],
    ranker: Specs = None,
    images: Annotated[
        Path | None,
        typer.Option(help="The folder that the image paths start from; that of PAIRS if not given."),
    ] = None,
    ties: Annotated[Ties, typer.Option(help="What a ranker's tie counts for.")] = Ties.half,
    limit: Annotated[int | None, typer.Option(min=1, help="Take at most this many entries.")] = None,
    as_json: Json = False,
) -> None:
    """How often rankers choose as humans did: pairwise accuracy with a 95 % interval, and rank correlations
    between rankers.
    """
    from rankkit.analysis import agree as agreeing
    from rankkit.cli.progress import following
    from rankkit.registry.load import load

    rankers = {name: load(name) for name in _specs(ranker)}
    with following("entries") as progress:
        report = agreeing.agree(
            pairs, rankers, images=images, ties=ties.value, limit=limit, progress=progress
        )
    print(
        json.dumps(agreeing.to_dict(report), indent=2, ensure_ascii=False)
        if as_json
        else "\n".join(agreeing.lines(report))
    )
    if report.abstained:
        raise typer.Exit(3)


@app.command()
def gallery(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Rows: .jsonl, .csv or .parquet.")],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="report.html")] = Path("report.html"),
    extra: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="PAGE", help="An HTML page whose <main> is shown above the rankers. Repeatable."
        ),
    ] = None,
) -> None:
    """One self-contained HTML file to look at: best and worst per prompt, where rankers disagree,
    abstentions.
    """
    _gallery(file, output, {"rows": str(file)}, extra or ())


@app.command()
def check(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="The ranker to try, as after -r.")],
) -> None:
    """Try every promise that a ranker makes, on small pictures. Exit code 1: a promise is broken."""
    from rankkit.registry.load import load
    from rankkit.testing import promises

    broken = 0
    for promise, failure in promises(load(spec), reload=lambda **options: load(spec, **options)):
        print(
            f"{'ok    ' if failure is None else 'BROKEN'}  {promise}"
            + (f"\n        {failure}" if failure else "")
        )
        broken += failure is not None
    print(f"{spec} keeps every promise" if not broken else f"{spec} breaks {broken} of its promises")
    if broken:
        raise typer.Exit(1)


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The ranker's name, such as my-reward.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write it; a folder of that name if not given.")
    ] = None,
) -> None:
    """Write a plugin to start from: a package with one ranker and its test."""
    from rankkit.registry.scaffold import write

    place = write(name, folder or Path(name))
    print(
        f"{place} holds a ranker named {name}. Next:\n  pip install -e {place}\n  rankkit check {name}\n  rankkit score FOLDER -r {name}"
    )


@app.command()
def serve(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC",
            help="The ranker to serve, as after -r; it is looked for in this environment only.",
        ),
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8085,
    host: Annotated[
        str, typer.Option(help="The address to listen on; others than this machine need a token.")
    ] = "127.0.0.1",
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the token that every request must bear.")
    ] = None,
    token_env: Annotated[
        str | None, typer.Option(help="The environment variable that holds that token.")
    ] = None,
    max_body: Annotated[int, typer.Option(min=1, metavar="MIB", help="The largest request, in MiB.")] = 512,
) -> None:
    """Serve a ranker by HTTP, to `-r http://HOST:PORT` here or on another machine. Ctrl-C ends it."""
    from rankkit.serving import http

    token = http.token_from(token_file, token_env)
    http.serve(spec, host=host, port=port, token=token, limit=max_body * 2**20, say=_say)


@app.command()
def install(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME", help="A ranker that calls an original package, such as imagereward-official."
        ),
    ],
    plugin: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The plugin's folder, if it is not installed here.")
    ] = None,
    python: Annotated[
        str, typer.Option(metavar="PYTHON", help="The interpreter of the environment; this one if not given.")
    ] = sys.executable,
    force: Annotated[
        bool, typer.Option("--force", help="Make the environment anew if it is there already.")
    ] = False,
) -> None:
    """Make an environment of its own for a ranker, and remember it in rankkit.toml."""
    from rankkit.environments import install

    print(install.install(name, plugin=plugin, python=python, force=force, say=_say))


def _specs(specs: list[str] | None) -> list[str]:
    if not specs:
        raise UsageError("no ranker is named; give -r NAME (rankkit list shows the names)")
    return list(dict.fromkeys(specs))


def _gallery(file: Path, html: Path, parameters: dict[str, object], extra: Sequence[Path] = ()) -> None:
    from rankkit.io.formats import read_rows
    from rankkit.report.gallery import gallery
    from rankkit.report.sections import read_section

    gallery(
        read_rows(file),
        html,
        beside=file,
        parameters=parameters,
        extras=[read_section(page) for page in extra],
    )
    _say(f"pictures → {html}")


def _show(rows: Path) -> None:
    """Without an output, programs that read stdout get the rows, and a person at a terminal gets the best
    images.
    """
    if sys.stdout.isatty():
        from rankkit.analysis.leaderboard import podium
        from rankkit.io.formats import read_rows

        for line in podium(read_rows(rows)):
            print(line)
        _say("give -o scores.jsonl to keep every row, and to go on where a run stopped")
    else:
        with open(rows, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)  # bytes: rows are UTF-8 whatever the locale is


def _report(outcome: object, output: Path | None) -> None:
    from rankkit.scoring.engine import Outcome

    assert isinstance(outcome, Outcome)
    where = f" → {output}" if output else ""
    done = f"{outcome.scored} scored, {outcome.reused} known already, {outcome.abstained} abstained"
    _say(f"{_count(outcome.images, 'image')} in {_count(outcome.groups, 'group')}: {done}{where}")
    for reason, count in outcome.reasons.most_common(5):
        _say(f"  {count} × {reason}")


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


@contextlib.contextmanager
def _prints_on_stderr() -> Iterator[None]:
    """What a ranker prints, and what the libraries and programs below it print, goes to stderr: stdout is for
    results.
    """
    sys.stdout.flush()
    results = os.dup(1)
    os.dup2(2, 1)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(results, 1)
        os.close(results)


def _say(text: str) -> None:
    """One line on stderr; what a file's name or a ranker's message smuggles in cannot drive the terminal."""
    from rankkit.core.text import one_line

    print(one_line(text), file=sys.stderr, flush=True)


def _unexpected(error: Exception) -> int:
    """Typer's own errors know their message and exit code; anything else is a bug of ours, and is shown as
    one.
    """
    if hasattr(error, "exit_code") and hasattr(error, "show"):
        error.show()
        return int(error.exit_code)
    if isinstance(error, OSError):
        _say(f"error: {error}")
        return 1
    raise error
