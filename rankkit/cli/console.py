"""What the commands of a program share: results on stdout, all else on stderr, exit codes."""

from __future__ import annotations

import atexit
import functools
import gc
import io
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.models import CommandInfo

from rankkit.core.memory import keep_freed_memory
from rankkit.core.text import count, one_line
from rankkit.errors import RankkitError, UsageError
from rankkit.starting import ready

INTERRUPTED = 130  # what a shell shows for Ctrl-C, and what Typer returns for it
F = TypeVar("F", bound=Callable[..., Any])

_results: list[TextIO] = []  # the real stdout, while a command runs


def _flags_bare(kind: type[Any]) -> type[Any]:
    """A class of commands whose help shows no value beside what takes none: `--json`, not `--json <bool>`."""

    def get_params(self: Any, ctx: Any) -> list[Any]:
        params: list[Any] = kind.get_params(self, ctx)
        for each in params:
            each.metavar = "" if getattr(each, "is_flag", False) else each.metavar
        return params

    return type(kind.__name__, (kind,), {"get_params": get_params})


class Program(typer.Typer):
    """A program of commands. While one runs, all that plugins and libraries print goes to stderr.

    A command writes its results by `print_result`, and ends in an exit code: 0 done, 1 the run could not go
    on, 2 the request itself is wrong, 3 finished but some images abstained, 130 interrupted. Every error is
    one line on stderr; ``RANKKIT_DEBUG=1`` shows the traceback of an unexpected one. `install`: the command
    that brings packages which the program may lack.
    """

    def __init__(self, name: str, help: str, *, install: str = "") -> None:
        super().__init__(
            cls=_flags_bare(TyperGroup),
            no_args_is_help=True,
            pretty_exceptions_enable=False,
            help=help,
            context_settings={"help_option_names": ["-h", "--help"]},
        )
        self.name = name
        self.install = install

    def command(self, name: str | None = None, **settings: Any) -> Callable[[F], F]:
        """Register a command, as Typer does."""
        kind = _flags_bare(TyperCommand)

        def register(function: F) -> F:
            super(Program, self).command(name, cls=kind, **settings)(_with_stdout_for_results(function))
            return function

        return register

    def main(self) -> NoReturn:
        """Run the program on its arguments and exit; every error is one line on stderr."""
        try:
            ready()
            keep_freed_memory()
            with self._alone(*sys.argv[1:2]):
                code = int(self(standalone_mode=False, prog_name=self.name) or 0)
            sys.stdout.flush()
        except SystemExit as exit:
            gone = isinstance(exit.__context__, BrokenPipeError)  # Typer met it first, and exits with 1
            code = 0 if gone else exit.code if isinstance(exit.code, int) else 1
        except (KeyboardInterrupt, typer.Abort):
            code = INTERRUPTED
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = 0  # the reader has gone; what is left in the buffer must not fail at exit
        except RankkitError as error:
            say(f"error: {error}")
            code = 2 if isinstance(error, UsageError) else 1
        except Exception as error:
            code = _unexpected(error, self.install)
        if code == INTERRUPTED:
            say("stopped; give the same command again to go on")
        gc.freeze()  # at its end Python would look through all that is alive once more, for nothing
        sys.exit(code)

    @contextmanager
    def _alone(self, asked: str = "") -> Iterator[None]:
        """The command that is asked for without the others, which take long to make; all where it is none."""
        every = self.registered_commands
        alone = [command for command in every if command_name(command) == asked]
        try:
            if alone and self.registered_callback:  # without one, Typer takes one command for the program
                self.registered_commands = alone
            yield
        finally:
            self.registered_commands = every


def command_name(command: CommandInfo) -> str:
    """What a command is called on the command line."""
    return command.name or str(getattr(command.callback, "__name__", "")).replace("_", "-")


def print_result(text: str) -> None:
    """One line, or several, of a command's results on the real stdout."""
    print(text, file=results())


def results() -> TextIO:
    """The real stdout: where results go, whatever stdout is for everybody else."""
    return _results[-1] if _results else sys.stdout


def say(text: str) -> None:
    """One line on stderr; control characters in names and messages cannot drive the terminal."""
    print(one_line(text), file=sys.stderr, flush=True)


def earlier_rows(number: int) -> str:
    """``1 row of an earlier prompt or image``, ``2 rows of earlier prompts or images``."""
    return count(number, "row of an earlier prompt or image", "rows of earlier prompts or images")


def say_left_out(number: int) -> None:
    """Say that rows which no longer count were left out, if there were any."""
    if number:
        are = "is" if number == 1 else "are"
        say(f"{earlier_rows(number)} {are} left out (rankkit score --prune drops such rows)")


def best_images(rows: Iterable[Any], top: int = 3) -> Iterator[str]:
    """Each ranker's best images of each group, a line each, in the order of the rows."""
    from rankkit.io.rows import label

    for (group, ranker), members in groupby(rows, key=lambda row: (row["group"], label(row))):
        ranked: list[tuple[float, float, str]] = []
        prompt, seen = "", 0
        for row in members:
            prompt, seen = row["prompt"], seen + 1
            if row["rank"] is not None and row["score"] is not None:
                ranked = sorted([*ranked, (row["rank"], row["score"], row["image"])])[:top]
        yield f"{ranker} · {one_line(' '.join((prompt or group).split())[:100])} · {seen} images"
        yield from (f"  {rank:>4g}. {score:<12.6g} {one_line(image)}" for rank, score, image in ranked)


def _with_stdout_for_results(function: F) -> F:
    @functools.wraps(function)
    def command(*args: Any, **kwargs: Any) -> Any:
        with _stdout_for_results():
            try:
                return function(*args, **kwargs)
            except SystemExit as error:  # only a plugin or a library does that
                raise RankkitError(
                    f"{_place(error)} tried to end the program (SystemExit: {error.code}); "
                    "a ranker that cannot go on raises an exception instead"
                ) from error

    return command  # type: ignore[return-value]


@contextmanager
def _stdout_for_results() -> Iterator[None]:
    """Keep the real stdout for `print_result`; all else, from child processes too, goes to stderr."""
    sys.stdout.flush()
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, io.UnsupportedOperation):  # not a file: a test reads it
        kept, own = sys.stdout, None
    else:
        own = os.dup(descriptor)
        kept = open(os.dup(own), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors, newline="")
        os.dup2(2, descriptor)
    _results.append(kept)
    try:
        with redirect_stdout(sys.stderr):
            yield
        kept.flush()
    finally:
        _results.pop()
        atexit.register(_stdout_to_stderr)
        if own is not None:
            os.dup2(own, descriptor)
            os.close(own)
            with suppress(BrokenPipeError):
                kept.close()


def _stdout_to_stderr() -> None:
    """At exit, before the exit handlers and the C buffers of what the command loaded are run and flushed."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        os.dup2(2, 1)
        sys.stdout = sys.stderr


def _unexpected(error: Exception, install: str) -> int:
    """The exit code of what is no `RankkitError`: the parser's own errors, the system's, and bugs."""
    if hasattr(error, "exit_code") and hasattr(error, "show"):
        error.show()
        return int(error.exit_code)
    if isinstance(error, OSError):
        say(f"error: {error}")
        return 1
    if os.environ.get("RANKKIT_DEBUG"):
        raise error
    if install and isinstance(error, ModuleNotFoundError):
        say(f"error: {error.name} is not installed; {install} brings it")
        return 1
    say(
        f"error: {type(error).__name__}: {error} ({_place(error)}); this is a bug: please report it with the "
        "traceback that the same command shows with RANKKIT_DEBUG=1"
    )
    return 1


def _place(error: BaseException) -> str:
    """The file and line that raised an error."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.filename}:{frame.lineno}"


def print_rows(rows: Path) -> None:
    """Print the best images on a terminal, and every row where a program reads stdout."""
    if results().isatty():
        from rankkit.io.formats import read_rows

        for line in best_images(read_rows(rows)):
            print_result(line)
        say("give -o scores.jsonl to keep every row, and to go on where a run stopped")
        return
    results().flush()
    with open(rows, "rb") as file:
        shutil.copyfileobj(file, results().buffer)  # bytes: rows are UTF-8 whatever the locale is
    results().buffer.flush()
