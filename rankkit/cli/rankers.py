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
    """Check what every ranker must do, on small images; a check that its card skips is not run.

    Exit code 1: a check failed.
    """
    from rankkit.registry.load import load
    from rankkit.testing import run_checks

    skip, problems = _from_cards(spec)
    results = list(run_checks(load(spec), reload=lambda **options: load(spec, **options), skip=skip))
    for result in results:
        print_result(f"{result.word:<7} {result.id:<14} {result.sentence}")
        if result.failure is not None or result.skipped:
            print_result(f"{'':<22} {result.failure or result.skipped}")
    for problem in problems:
        print_result(f"FAILED  card           {problem}")
    failed = [result.id for result in results if result.failed] + ["card"] * bool(problems)
    count = sum(not result.skipped for result in results) + bool(problems)
    if failed:
        raise RankkitError(f"{spec} fails {len(failed)} of {count} checks: {', '.join(failed)}")
    print_result(f"{spec} passes all {count} checks")


def _from_cards(spec: str) -> tuple[dict[str, str], list[str]]:
    """The checks that a ranker's card skips, with the reasons; and what is wrong with the cards of a spec."""
    from rankkit.registry import cards
    from rankkit.registry.catalog import installed
    from rankkit.registry.spec import parse
    from rankkit.testing.contract import ALL

    names, ids = {member.name for member, _ in parse(spec)}, [check.id for check in ALL]
    offers = [offer for offer in installed() if offer.name in names]
    problems = [problem for offer in offers for problem in cards.problems(offer)]
    stated = {check: why for offer in offers for check, why in cards.skips(offer).items() if why}
    for unknown in sorted(set(stated) - set(ids)):
        problems.append(f"card.toml: no check has the id {unknown!r}; the ids are {', '.join(ids)}")
    # What one member of a panel may do, the panel may not.
    return {} if len(names) > 1 else {check: stated[check] for check in stated if check in ids}, problems


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
