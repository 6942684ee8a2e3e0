"""Rankers themselves: ``rankkit list``, ``check`` and ``new``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rankkit.cli.console import print_result, say
from rankkit.cli.program import program
from rankkit.errors import RankkitError


@program.command("list")
def list_(
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Also what each ranker's card says: range, scale, licence.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="An array of objects with name, distribution, version.")
    ] = False,
) -> None:
    """List the installed rankers, without importing them."""
    from rankkit.registry import cards
    from rankkit.registry.catalog import installed

    offers = [cards.describe(offer, verbose=verbose) for offer in installed()]
    if as_json:
        print_result(json.dumps(offers, indent=2, ensure_ascii=False))
        return
    width = max((len(str(offer["name"])) for offer in offers), default=0)
    for offer in offers:
        broken = f"  BROKEN: {offer['error']}" if "error" in offer else ""
        print_result(f"{offer['name']:<{width}}  {offer['distribution']} {offer['version']}{broken}")
        for key, value in offer.get("card", {}).items():
            print_result(f"{'':<{width}}    {key}: {value}")
    clash = cards.clash()
    if clash:
        say(f"warning: {clash}")


@program.command()
def check(
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="The ranker to check, as after -r.")],
) -> None:
    """Check what every ranker must do, on small images.

    Exit code 1: a check failed.
    """
    from rankkit.registry.load import load
    from rankkit.testing import run_checks

    results = list(run_checks(load(spec), reload=lambda **options: load(spec, **options)))
    for result in results:
        print_result(f"{result.word:<7} {result.id:<14} {result.sentence}")
        if result.failure is not None:
            print_result(f"{'':<22} {result.failure}")
    problems = _card_problems(spec)
    for problem in problems:
        print_result(f"FAILED  card           {problem}")
    failed = [result.id for result in results if result.failed] + ["card"] * bool(problems)
    count = len(results) + bool(problems)
    if failed:
        raise RankkitError(f"{spec} fails {len(failed)} of {count} checks: {', '.join(failed)}")
    print_result(f"{spec} passes all {count} checks")


def _card_problems(spec: str) -> list[str]:
    from rankkit.registry import cards
    from rankkit.registry.catalog import installed
    from rankkit.registry.spec import parse

    names = {member.name for member, _ in parse(spec)}
    return [problem for offer in installed() if offer.name in names for problem in cards.problems(offer)]


@program.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The ranker's name, such as my-reward.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to write it; a folder of that name if not given.")
    ] = None,
) -> None:
    """Write a plugin to start from: a package with one ranker and its test."""
    from rankkit.registry.scaffold import write

    place = write(name, folder or Path(name))
    steps = [f"pip install -e {place}", f"rankkit check {name}", f"rankkit score FOLDER -r {name}"]
    print_result("\n  ".join([f"{place} holds a ranker named {name}. Next:", *steps]))
