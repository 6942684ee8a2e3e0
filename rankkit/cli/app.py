"""The command line of rankkit: every family of commands, and the order in which help lists them."""

from typer.models import CommandInfo

from rankkit.cli import (  # noqa: F401  (they register)
    analyse,
    fit,
    label,
    prompts,
    rankers,
    remote,
    score,
    select,
)
from rankkit.cli.console import command_name
from rankkit.cli.program import program

ORDER = (
    *("score", "prompts", "select", "label", "fit", "table", "compare", "agree"),
    *("gallery", "list", "check", "new", "serve", "install", "doctor"),
)


def _place(command: CommandInfo) -> int:
    name = command_name(command)
    return ORDER.index(name) if name in ORDER else len(ORDER)


program.registered_commands.sort(key=_place)
app = program
main = program.main

__all__ = ["app", "main"]
