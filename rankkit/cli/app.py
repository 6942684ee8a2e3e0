"""The command line of rankkit: every family of commands, in the order in which help lists them."""

# isort: off
from rankkit.cli import score  # noqa: F401  (importing a family registers its commands)
from rankkit.cli import prompts, select, analyse, report, rankers, remote  # noqa: F401
from rankkit.cli.program import program
# isort: on

app = program
main = program.main

__all__ = ["app", "main"]
